"""Which of the precompiled headers a source needs for the names of std that it uses.
A build with precompiled headers does not notice when one is missing, and other
headers of the library bring many of them along, until the next version does not."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".ci"))
from sources import NOISE

# Of precompiled.h: the names of each that our sources might use.
DECLARED = {
    "algorithm": "all_of any_of binary_search clamp copy_if copy_n count_if equal equal_range fill fill_n find_if "
                 "find_if_not is_sorted lexicographical_compare_three_way lower_bound max max_element min min_element "
                 "minmax mismatch none_of nth_element partition remove_if replace reverse rotate search shuffle sort "
                 "stable_sort transform unique upper_bound",
    "array": "array to_array",
    "atomic": "atomic atomic_bool atomic_flag memory_order_acq_rel memory_order_acquire memory_order_relaxed "
              "memory_order_release",
    "charconv": "chars_format from_chars to_chars",
    "chrono": "chrono",
    "cstdint": "int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t",
    "cstring": "memchr memcmp memcpy memmove memset strcmp strerror strlen",
    "deque": "deque",
    "expected": "expected unexpected",
    "functional": "bind_front cref function greater hash less move_only_function plus ref reference_wrapper",
    "map": "map multimap",
    "memory": "enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr",
    "mutex": "call_once lock_guard mutex once_flag recursive_mutex scoped_lock unique_lock",
    "optional": "make_optional nullopt nullopt_t optional",
    "set": "multiset set",
    "span": "as_bytes span",
    "string": "getline stoi stoul stoull string to_string u8string",
    "string_view": "string_view",
    "thread": "jthread this_thread thread",
    "unordered_map": "unordered_map unordered_multimap",
    "utility": "as_const cmp_less exchange forward in_place make_pair move pair swap to_underlying unreachable",
    "variant": "get_if holds_alternative monostate variant visit",
    "vector": "vector",
}
HEADER = {name: header for header, names in DECLARED.items() for name in names.split()}
RANGES = set(DECLARED["algorithm"].split()) | {"contains", "copy", "count", "find"}
FMT = {"fmt/format.h", "fmt/chrono.h", "fmt/ostream.h", "fmt/ranges.h"}


def needed(text):
    """Headers that a source's text needs, each with a name that does."""
    text = NOISE.sub(" ", text)
    headers = {HEADER[name]: f"std::{name}" for name in re.findall(r"\bstd::(\w+)", text) if name in HEADER}
    headers |= {"algorithm": f"std::ranges::{name}" for name in re.findall(r"\bstd::ranges::(\w+)", text) if name in RANGES}
    return headers | ({"fmt/format.h": "fmt"} if "fmt::" in text else {})


class Includes:
    """What sources include, by themselves and through others of ours."""

    def __init__(self, top):
        self.top = top
        self.direct = {}  # path: (<names>, paths)

    def of(self, path):
        if path not in self.direct:
            found = re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', path.read_text(), re.M)
            places = (path.parent, self.top / "src", self.top / "console", self.top)
            ours = [next((place / name for place in places if (place / name).is_file()), None)
                    for mark, name in found if mark == '"']
            self.direct[path] = ({name for mark, name in found if mark == "<"}, [each.resolve() for each in ours if each])
        return self.direct[path]

    def reached(self, path):
        seen, left, names = set(), [path.resolve()], set()
        while left:
            here = left.pop()
            if here not in seen:
                seen.add(here)
                standard, ours = self.of(here)
                names |= standard
                left += ours
        return names | ({"fmt/format.h"} if names & FMT else set())

    def missing(self, path):
        reached = self.reached(path)
        return {header: name for header, name in needed(path.read_text()).items() if header not in reached}
