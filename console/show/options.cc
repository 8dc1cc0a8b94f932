#include "console/show/options.h"

#include "base/text.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace impulse::ecshow {

const char usage_text[] =
    "usage: ec_show [OPTION ...] [list]\n"
    "       ec_show [OPTION ...] message ID [details|headers|body|full]\n"
    "       ec_show [OPTION ...] export FOLDER\n"
    "       ec_show [OPTION ...] quarantine [NAME]\n"
    "       ec_show [OPTION ...] summary\n"
    "Reads a spool, whether impulsed runs or not, and changes nothing of it. Read ec_show(1).\n"
    "  -S, --spool FOLDER         the spool; /var/spool/impulse without this option\n"
    "      --json                 a JSON document a line\n"
    "What list and export are about (all of these have to fit):\n"
    "      --sender PCRE          messages whose sender it matches\n"
    "      --recipient PCRE       messages with a recipient whom it matches\n"
    "  -d, --domain NAME          messages with a recipient there\n"
    "      --meta KEY=VALUE       messages with that pair in their context\n"
    "      --header NAME=PCRE     messages with a header field that it matches\n"
    "      --start-date DATE      received then or later: 2027-01-31, 2027-01-31T12:00:00Z (UTC)\n"
    "      --end-date DATE        received then or before\n"
    "      --older-than AGE       received longer ago than: 90s, 30m, 12h, 7d\n"
    "      --newer-than AGE       received less long ago than\n"
    "  -n, --count                only how many there are\n"
    "  -s, -m ID                  as list, and as message ID full\n"
    "  -h, --help, -V, --version\n";

namespace {

std::unexpected<Failure> usage(std::string text) { return fail_with(status_usage, std::move(text)); }

// Exactly so many digits.
std::optional<int> number(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return text.empty() ? std::nullopt : std::optional(value);
}

// Takes `digits` digits, in front of which a separator may stand.
std::optional<int> take(std::string_view& text, std::string_view separators, size_t digits) {
  if (!text.empty() && separators.find(text.front()) != std::string_view::npos) text.remove_prefix(1);
  if (text.size() < digits) return std::nullopt;
  const auto value = number(text.substr(0, digits));
  text.remove_prefix(digits);
  return value;
}

}  // namespace

std::optional<WallTime> parse_date(std::string_view text, bool end) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  const auto year = take(text, "", 4), month = take(text, "-", 2), day = take(text, "-", 2);
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  WallTime time = std::chrono::sys_days(date);
  Duration rest = std::chrono::days(1);
  if (!text.empty()) {
    const auto hour = take(text, "T ", 2), minute = take(text, ":", 2);
    if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
    time += std::chrono::hours(*hour) + std::chrono::minutes(*minute);
    rest = std::chrono::minutes(1);
  }
  if (!text.empty()) {
    const auto second = take(text, ":", 2);
    if (!second || *second > 60 || !text.empty()) return std::nullopt;
    time += std::chrono::seconds(*second);
    rest = std::chrono::seconds(1);
  }
  return end ? time + rest - Duration(1) : time;
}

std::optional<Duration> parse_age(std::string_view text) {
  using namespace std::chrono;
  uint64_t unit = 1;
  if (!text.empty() && !is_digit(text.back())) {
    constexpr std::string_view letters = "smhdw";
    constexpr std::array<uint64_t, 5> seconds_of{1, 60, 3600, 86400, 604800};
    const size_t at = letters.find(text.back());
    if (at == std::string_view::npos) return std::nullopt;
    unit = seconds_of[at];
    text.remove_suffix(1);
  }
  const auto count = parse_unsigned(text, 3'000'000'000 / unit);
  if (!count) return std::nullopt;
  return seconds(*count * unit);
}

namespace {

enum : int {
  json_option = 256,
  sender_option,
  recipient_option,
  start_option,
  end_option,
  older_option,
  newer_option,
  meta_option,
  header_option,
};

constexpr option long_options[] = {{"spool", required_argument, nullptr, 'S'},
                                   {"json", no_argument, nullptr, json_option},
                                   {"sender", required_argument, nullptr, sender_option},
                                   {"recipient", required_argument, nullptr, recipient_option},
                                   {"domain", required_argument, nullptr, 'd'},
                                   {"start-date", required_argument, nullptr, start_option},
                                   {"start_date", required_argument, nullptr, start_option},
                                   {"end-date", required_argument, nullptr, end_option},
                                   {"end_date", required_argument, nullptr, end_option},
                                   {"older-than", required_argument, nullptr, older_option},
                                   {"newer-than", required_argument, nullptr, newer_option},
                                   {"meta", required_argument, nullptr, meta_option},
                                   {"header", required_argument, nullptr, header_option},
                                   {"count", no_argument, nullptr, 'n'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {nullptr, 0, nullptr, 0}};

Outcome<> set_pattern(std::optional<Pattern>& to, std::string_view name, std::string_view value) {
  auto pattern = Pattern::compile(value, true);
  if (!pattern) return usage(fmt::format("--{}: {}", name, pattern.error().message));
  to = std::move(*pattern);
  return {};
}

Outcome<> set_date(std::optional<WallTime>& to, std::string_view name, std::string_view value, bool end) {
  const auto time = parse_date(value, end);
  if (!time)
    return usage(fmt::format("--{}: a date such as 2027-01-31 or 2027-01-31T12:00:00Z is expected, not '{}'", name,
                             escape_line(value, 64)));
  // The narrower one of two.
  to = !to ? *time : end ? std::min(*to, *time) : std::max(*to, *time);
  return {};
}

Outcome<> set_age(Filter& filter, std::string_view name, std::string_view value, WallTime now, bool older) {
  const auto age = parse_age(value);
  if (!age)
    return usage(
        fmt::format("--{}: an age such as 90s, 30m, 12h or 7d is expected, not '{}'", name, escape_line(value, 64)));
  const WallTime then = now - *age;
  if (older)
    filter.to = filter.to ? std::min(*filter.to, then) : then;
  else
    filter.from = filter.from ? std::max(*filter.from, then) : then;
  return {};
}

Outcome<> set_content(std::string_view name, const Result<>& added) {
  if (!added) return usage(fmt::format("--{}: {}", name, added.error().message));
  return {};
}

Outcome<> set_message(Options& options, std::string_view text) {
  const auto id = MessageId::parse(text);
  if (!id) return usage(id.error().message);
  options.action = Options::Action::message;
  options.message = *id;
  const size_t dash = text.find('-');
  options.node = dash == std::string_view::npos ? "" : text.substr(dash + 1);
  return {};
}

Outcome<> read_words(std::span<char* const> words, Options& options) {
  using Action = Options::Action;
  if (words.empty()) return {};
  const std::string_view command = words.front();
  if (options.action == Action::message) return usage("-m stands alone");
  if (options.action == Action::count && command != "list") return usage("--count is for list");
  words = words.subspan(1);
  size_t most = 0;
  if (command == "summary") {
    options.action = Action::summary;
  } else if (command == "quarantine") {
    options.action = Action::quarantine;
    most = 1;
    if (!words.empty()) options.name = words.front();
    if (!words.empty() && (options.name.empty() || options.name.front() == '.' || options.name.contains('/')))
      return usage("a name that 'ec_show quarantine' lists is expected");
  } else if (command == "export") {
    options.action = Action::export_pairs;
    most = 1;
    if (words.empty() || std::string_view(words.front()).empty()) return usage("export: a folder is expected");
    options.folder = words.front();
  } else if (command == "message") {
    if (words.empty()) return usage("message: an id is expected");
    if (auto set = set_message(options, words.front()); !set) return set;
    most = 2;
    constexpr std::array<std::string_view, 4> parts{"details", "headers", "body", "full"};
    if (words.size() > 1) {
      const auto part = std::ranges::find(parts, std::string_view(words[1]));
      if (part == parts.end()) return usage("message: details, headers, body or full is expected behind the id");
      options.part = static_cast<Options::Part>(part - parts.begin());
    }
  } else if (command != "list") {
    return usage(fmt::format("no such command: {}", escape_line(command, 64)));
  }
  if (words.size() > most) return usage(fmt::format("too many words: {}", escape_line(words[most], 64)));
  return {};
}

}  // namespace

Outcome<Options> read_options(int argc, char** argv, WallTime now) {
  using Action = Options::Action;
  Options options;
  options.spool = "/var/spool/impulse";
  Filter& filter = options.filter;
  bool filtered = false;
  optind = 0;
  opterr = 0;
  for (int found = 0; (found = ::getopt_long(argc, argv, ":S:d:m:nshV", long_options, nullptr)) != -1;) {
    const std::string_view value = optarg == nullptr ? "" : optarg;
    Outcome<> set;
    switch (found) {
      case 'S':
        if (value.empty()) return usage("--spool: a folder is expected");
        options.spool = value;
        continue;
      case json_option:
        options.json = true;
        continue;
      case 'n':
        options.action = Action::count;
        continue;
      case 's':
        continue;
      case 'm':
        if (auto done = set_message(options, value); !done) return std::unexpected(done.error());
        options.part = Options::Part::full;
        continue;
      case 'h':
        options.action = Action::help;
        return options;
      case 'V':
        options.action = Action::version;
        return options;
      case 'd':
        if (value.empty()) return usage("--domain: a name is expected");
        filter.domain = lower(value);
        break;
      case sender_option:
        set = set_pattern(filter.sender, "sender", value);
        break;
      case recipient_option:
        set = set_pattern(filter.recipient, "recipient", value);
        break;
      case start_option:
        set = set_date(filter.from, "start-date", value, false);
        break;
      case end_option:
        set = set_date(filter.to, "end-date", value, true);
        break;
      case older_option:
        set = set_age(filter, "older-than", value, now, true);
        break;
      case newer_option:
        set = set_age(filter, "newer-than", value, now, false);
        break;
      case meta_option:
        set = set_content("meta", filter.content.add_meta(value));
        break;
      case header_option:
        set = set_content("header", filter.content.add_header(value));
        break;
      case ':':
        return usage(fmt::format("{}: a value is expected", escape_line(argv[optind - 1], 64)));
      default:
        return usage(fmt::format("no such option: {}", escape_line(argv[std::max(optind, 1) - 1], 64)));
    }
    if (!set) return std::unexpected(set.error());
    filtered = true;
  }
  const auto first = static_cast<size_t>(std::min(optind, argc));
  if (auto done = read_words(std::span(argv, static_cast<size_t>(argc)).subspan(first), options); !done)
    return std::unexpected(done.error());
  const bool lists = options.action == Action::list || options.action == Action::count;
  if (filtered && !lists && options.action != Action::export_pairs)
    return usage("--sender, --recipient, --domain, --meta, --header, dates and ages are for list and export");
  const bool raw = options.action == Action::message ? options.part != Options::Part::details : !options.name.empty();
  if (options.json && raw) return usage("--json is not for what is shown as it is");
  return options;
}

}  // namespace impulse::ecshow
