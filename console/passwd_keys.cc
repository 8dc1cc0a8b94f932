// `ec_passwd key …`: API keys made, listed, revoked and given an end. A new key
// is written to standard output, and nothing else is, for scripts to catch.
#include "auth/key_file.h"
#include "base/clock.h"
#include "base/tenant.h"
#include "base/text.h"
#include "console/passwd.h"

#include <getopt.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

namespace impulse::console::passwd {

namespace {

enum class Action : uint8_t { add, list, revoke, expire, verify };

constexpr std::pair<std::string_view, Action> actions[] = {{"add", Action::add},
                                                           {"list", Action::list},
                                                           {"revoke", Action::revoke},
                                                           {"expire", Action::expire},
                                                           {"verify", Action::verify}};

std::optional<Action> find_action(std::string_view word) {
  for (const auto& [name, action] : actions)
    if (name == word) return action;
  return std::nullopt;
}

struct KeyArguments {
  Action action = Action::list;
  auth::NewKey key;
  bool expires_given = false;
  bool of_add = false;  // an option was given that is for add alone
  std::string file;
  std::string id;
};

enum : int { rights_option = 256, expires_option, label_option };

constexpr option key_options[] = {{"help", no_argument, nullptr, 'h'},
                                  {"user", required_argument, nullptr, 'u'},
                                  {"tenant", required_argument, nullptr, 't'},
                                  {"rights", required_argument, nullptr, rights_option},
                                  {"expires", required_argument, nullptr, expires_option},
                                  {"label", required_argument, nullptr, label_option},
                                  {nullptr, 0, nullptr, 0}};

// 90d, 12h, 30m; a moment; never.
Result<std::optional<WallTime>> read_when(std::string_view text, WallTime now) {
  if (iequals(text, "never")) return std::nullopt;
  constexpr std::pair<char, int64_t> units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}};
  for (const auto& [letter, seconds] : units) {
    if (!text.ends_with(letter)) continue;
    const auto count = parse_unsigned(text.substr(0, text.size() - 1), 36500);
    if (count && *count > 0)
      return std::chrono::floor<std::chrono::seconds>(now) +
             std::chrono::seconds(static_cast<int64_t>(*count) * seconds);
  }
  const auto moment = auth::parse_expiry(text);
  if (!moment)
    return fail(Errc::invalid, "--expires: 90d, 12h, 30m, 2027-01-31, 20270131T120000Z or never is expected");
  return *moment;
}

// U+0080 to U+009F, in UTF-8: some terminals obey them. The rest is the file's to check.
bool has_c1(std::string_view text) {
  for (size_t at = text.find('\xC2'); at < text.size(); at = text.find('\xC2', at + 1))
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0) return true;
  return false;
}

// What is wrong with one option; empty: nothing.
std::string read_option(int found, KeyArguments& arguments) {
  const std::string_view value = optarg == nullptr ? "" : optarg;
  if (found != expires_option) arguments.of_add = true;
  switch (found) {
    case 'u':
      arguments.key.user = value;
      return {};
    case 't':
      if (!is_tenant_name(value)) return "--tenant: at most 64 letters, digits, '-', '_' and '.' are expected";
      arguments.key.tenant = lower(value);
      return {};
    case rights_option: {
      const auto rights = auth::Rights::parse(value);
      if (!rights) return fmt::format("--rights: {}", rights.error().message);
      arguments.key.rights = *rights;
      return {};
    }
    case expires_option: {
      const auto when = read_when(value, wall_now());
      if (!when) return when.error().message;
      arguments.key.expires = *when;
      arguments.expires_given = true;
      return {};
    }
    case label_option:
      if (has_c1(value)) return "--label: there is a control character in it";
      arguments.key.label = value;
      return {};
    default:
      return {};
  }
}

int add(const KeyArguments& arguments, const EditedFile& edited, auth::KeyFile& file) {
  const auto made = file.add(arguments.key);
  if (!made) return complain(status_usage, made.error().message);
  // Whoever is shown a key can use it: it is shown when it is in the file.
  if (const auto written = edited.put(file.text()); !written) return complain(status_file, written.error().message);
  print(stdout, made->presented + "\n");
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    // A key that nobody has seen is none: it goes again.
    const std::string reason = std::strerror(errno);
    std::string text = fmt::format("the key cannot be shown: {}; it was taken out again", reason);
    file.revoke(made->id);
    if (const auto taken_out = edited.put(file.text()); !taken_out)
      text = fmt::format("the key cannot be shown: {}; {} cannot be taken out of {} either: {}", reason, made->id,
                         arguments.file, taken_out.error().message);
    return complain(status_file, text);
  }
  print(stderr, fmt::format("added {} in {}; the key is not shown again\n", made->id, arguments.file));
  return status_done;
}

std::string end_of(const auth::KeyEntry& key, WallTime now) {
  if (!key.expires) return "never";
  return auth::format_expiry(*key.expires) + (key.expired(now) ? " (expired)" : "");
}

int list(const auth::KeyFile& file) {
  constexpr size_t columns = 6;
  std::vector<std::array<std::string, columns>> rows{{"ID", "USER", "TENANT", "RIGHTS", "EXPIRES", "LABEL"}};
  const WallTime now = wall_now();
  for (const auth::KeyEntry& key : file.keys())
    rows.push_back(
        {key.id, key.user, key.tenant.empty() ? "-" : key.tenant, key.rights.to_string(), end_of(key, now), key.label});
  std::array<size_t, columns> widths{};
  for (const auto& row : rows)
    for (size_t i = 0; i + 1 < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < columns; ++i)
      line += fmt::format("{:<{}}{}", row[i], widths[i], i + 1 < columns ? "  " : "");
    line.erase(line.find_last_not_of(' ') + 1);
    print(stdout, line + "\n");
  }
  return status_done;
}

// The first line of standard input; empty: there is none.
std::string read_presented() {
  std::string presented;
  for (int c = std::getchar(); c != EOF && c != '\n' && presented.size() < 4096; c = std::getchar())
    presented += static_cast<char>(c);
  if (presented.ends_with('\r')) presented.pop_back();
  return presented;
}

int verify(const KeyArguments& arguments, const EditedFile& edited, std::string_view presented) {
  std::vector<auth::BadLine> bad;
  const auto key = auth::Keys::parse(edited.text(), bad)->check(presented, wall_now());
  if (!key)
    return complain(status_no, key.error().code == Errc::timeout ? key.error().message
                                                                 : fmt::format("that is no key of {}", arguments.file));
  print(stdout, fmt::format("{} {} {}\n", key->id, tenant_name(key->tenant, key->user), key->rights.to_string()));
  return status_done;
}

EditedFile::Purpose purpose_of(Action action) {
  if (action == Action::add) return EditedFile::Purpose::make;
  return action == Action::revoke || action == Action::expire ? EditedFile::Purpose::edit : EditedFile::Purpose::look;
}

int act(const KeyArguments& arguments) {
  // Before the file is read: what makes the key may be what we read from.
  std::string presented;
  if (arguments.action == Action::verify) {
    presented = read_presented();
    if (presented.empty()) return complain(status_no_password, "there is no key in the first line of standard input");
  }
  const auto edited = EditedFile::open(arguments.file, purpose_of(arguments.action));
  if (!edited) return complain(status_file, edited.error().message);
  auto file = auth::KeyFile::parse(edited->text());
  if (!file)
    return complain(status_file, fmt::format("{}: {}; nothing was changed", arguments.file, file.error().message));
  bool there = true;
  switch (arguments.action) {
    case Action::add:
      return add(arguments, *edited, *file);
    case Action::list:
      return list(*file);
    case Action::verify:
      return verify(arguments, *edited, presented);
    case Action::revoke:
      there = file->revoke(arguments.id);
      break;
    case Action::expire:
      there =
          file->expire(arguments.id, arguments.expires_given ? arguments.key.expires
                                                             : std::chrono::floor<std::chrono::seconds>(wall_now()));
      break;
  }
  if (!there)
    return complain(status_no, fmt::format("the key {} is not in {}", escape_line(arguments.id, 80), arguments.file));
  if (const auto written = edited->put(file->text()); !written) return complain(status_file, written.error().message);
  return status_done;
}

// What is missing or too much; empty: nothing.
std::string check(const KeyArguments& arguments) {
  if (arguments.action == Action::add) {
    if (arguments.key.user.empty()) return "key add needs --user";
    if (arguments.key.rights.empty()) return "key add needs --rights";
    return {};
  }
  if (arguments.of_add) return "--user, --tenant, --rights and --label are for key add";
  if (arguments.expires_given && arguments.action != Action::expire) return "--expires is for key add and key expire";
  return {};
}

}  // namespace

bool is_key_action(std::string_view word) { return find_action(word).has_value(); }

int run_keys(int argc, char** argv) {
  KeyArguments arguments;
  arguments.action = find_action(argv[1]).value_or(Action::list);
  opterr = 0;
  optind = 2;
  for (int found = 0; (found = ::getopt_long(argc, argv, ":u:t:h", key_options, nullptr)) != -1;) {
    if (found == 'h') {
      print_help();
      return status_done;
    }
    if (found == ':') return misused(fmt::format("{} needs a value", argv[optind - 1]));
    if (found == '?')
      return misused(optopt > 0 && optopt < 256 ? fmt::format("unknown option -{}", static_cast<char>(optopt))
                                                : fmt::format("unknown option {}", argv[optind - 1]));
    if (const std::string wrong = read_option(found, arguments); !wrong.empty()) return misused(wrong);
  }
  if (const std::string wrong = check(arguments); !wrong.empty()) return misused(wrong);
  const bool with_id = arguments.action == Action::revoke || arguments.action == Action::expire;
  if (argc - optind != (with_id ? 2 : 1))
    return misused(with_id ? "a file and the id of a key are expected" : "a file is expected");
  arguments.file = argv[optind];
  if (with_id) arguments.id = argv[optind + 1];
  if (arguments.file.empty()) return misused("the name of a file is expected");
  if (with_id && !auth::is_key_id(arguments.id))
    return misused("an id is expected, as `ec_passwd key list` prints it, and not the key");
  return act(arguments);
}

}  // namespace impulse::console::passwd
