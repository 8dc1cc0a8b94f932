// What most files include, compiled once a build folder (configure makes it,
// --disable-pch turns it off). Only system headers: no file may rely on what
// this brings in (t/style/standard_names.py has their names, and keeps that true),
// and a change of ours must not rebuild everything.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
