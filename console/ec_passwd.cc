// ec_passwd: makes and edits the files that Auth…Parameters and API_Keys name.
// Passwords here, keys in passwd_keys.cc. See doc/ec_passwd.1.
#include "auth/password_file.h"
#include "base/tenant.h"
#include "base/text.h"
#include "console/passwd.h"
#include "console/password.h"

#include "config.h"

#include <getopt.h>

#include <cstdio>
#include <optional>

namespace impulse::console {
namespace {

using namespace passwd;

struct Arguments {
  enum class Action : uint8_t { set, remove, verify, list } action = Action::set;
  std::optional<auth::Format> format;
  std::string realm;
  std::string tenant;
  uint32_t iterations = 4096;
  std::vector<auth::Mechanism> hashes{auth::Mechanism::scram_sha_256};
  bool of_scram = false;  // an option was given that is for scram alone
  bool standard_input = false;
  std::string file;
  std::string user;
};

enum : int { hash_option = 256, stdin_option, delete_option, verify_option, list_option };

constexpr option long_options[] = {{"help", no_argument, nullptr, 'h'},
                                   {"version", no_argument, nullptr, 'V'},
                                   {"format", required_argument, nullptr, 'f'},
                                   {"realm", required_argument, nullptr, 'r'},
                                   {"tenant", required_argument, nullptr, 't'},
                                   {"iterations", required_argument, nullptr, 'i'},
                                   {"hash", required_argument, nullptr, hash_option},
                                   {"stdin", no_argument, nullptr, stdin_option},
                                   {"delete", no_argument, nullptr, delete_option},
                                   {"verify", no_argument, nullptr, verify_option},
                                   {"list", no_argument, nullptr, list_option},
                                   {nullptr, 0, nullptr, 0}};

// What is wrong with one option; empty: nothing.
std::string read_option(int found, Arguments& arguments) {
  using Action = Arguments::Action;
  const std::string_view value = optarg == nullptr ? "" : optarg;
  const auto act = [&](Action action) -> std::string {
    if (arguments.action != Action::set && arguments.action != action)
      return "--delete, --verify and --list exclude each other";
    arguments.action = action;
    return {};
  };
  switch (found) {
    case 'f':
      if (value == "scram")
        arguments.format = auth::Format::scram;
      else if (value == "digest")
        arguments.format = auth::Format::digest;
      else if (value == "file")
        arguments.format = auth::Format::file;
      else
        return "--format: scram, digest or file is expected";
      return {};
    case 'r':
      if (value.empty() || value.find_first_of(":\r\n") != std::string_view::npos)
        return "--realm: a name without a colon is expected";
      arguments.realm = value;
      return {};
    case 't':
      if (!is_tenant_name(value)) return "--tenant: at most 64 letters, digits, '-', '_' and '.' are expected";
      arguments.tenant = lower(value);
      return {};
    case 'i': {
      const auto count = parse_unsigned(value, 10'000'000);
      if (!count || *count < 4096) return "--iterations: a number from 4096 to 10000000 is expected";
      arguments.iterations = static_cast<uint32_t>(*count);
      arguments.of_scram = true;
      return {};
    }
    case hash_option:
      using enum auth::Mechanism;
      if (value == "sha256")
        arguments.hashes = {scram_sha_256};
      else if (value == "sha1")
        arguments.hashes = {scram_sha_1};
      else if (value == "both")
        arguments.hashes = {scram_sha_256, scram_sha_1};
      else
        return "--hash: sha256, sha1 or both is expected";
      arguments.of_scram = true;
      return {};
    case stdin_option:
      arguments.standard_input = true;
      return {};
    case delete_option:
      return act(Action::remove);
    case verify_option:
      return act(Action::verify);
    case list_option:
      return act(Action::list);
    default:
      return {};
  }
}

struct Password {
  std::string text;
  int status = status_done;  // else: why there is none was said
};

Password read_line() {
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
    line += static_cast<char>(c);
    if (line.size() > 4096) return {{}, complain(status_no_password, "the password is too long")};
  }
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty())
    return {{}, complain(status_no_password, "there is no password in the first line of standard input")};
  return {std::move(line), status_done};
}

Password ask(const std::string& prompt) {
  auto password = ask_password(prompt, -1);
  if (password) return {std::move(*password), status_done};
  const bool no_terminal = password.error().kind == Failure::Kind::denied;
  return {{},
          complain(status_no_password, no_terminal ? "there is no terminal to ask for the password on: use --stdin"
                                                   : password.error().text)};
}

Password get_password(const Arguments& arguments) {
  if (arguments.standard_input) return read_line();
  const bool twice = arguments.action == Arguments::Action::set;
  Password password = ask(fmt::format("{} of {}: ", twice ? "New password" : "Password", arguments.user));
  if (password.status != status_done || !twice) return password;
  const Password again = ask("The same again: ");
  if (again.status != status_done) return again;
  if (again.text != password.text)
    return {{}, complain(status_no_password, "the two are not the same; nothing was changed")};
  return password;
}

void list(const auth::PasswordFile& file) {
  for (const auto& user : file.users())
    print(stdout, user.qualifier.empty() ? user.name + "\n" : fmt::format("{} {}\n", user.name, user.qualifier));
}

int act(const Arguments& arguments, const EditedFile& edited, auth::PasswordFile& file, auth::Format format) {
  using Action = Arguments::Action;
  if (arguments.action == Action::list) {
    list(file);
    return status_done;
  }
  const std::string entry = tenant_name(arguments.tenant, arguments.user);
  const std::string shown = escape_line(entry, 255);
  const std::string missing = fmt::format("{} is not in {}", shown, arguments.file);
  if (arguments.action == Action::remove) {
    if (file.remove(entry, arguments.realm) == 0) return complain(status_no, missing);
    if (const auto written = edited.put(file.text()); !written) return complain(status_file, written.error().message);
    return status_done;
  }
  if (format == auth::Format::digest && arguments.realm.empty()) return misused("a file of digests needs --realm");
  Password password = get_password(arguments);
  if (password.status != status_done) return password.status;
  if (arguments.action == Action::verify) {
    const auto good = file.verify(arguments.user, password.text, arguments.realm, arguments.tenant);
    if (!good) return complain(status_no, missing);
    return *good ? status_done : complain(status_no, "that is not the password");
  }
  auth::NewCredential credential;
  credential.user = arguments.user;
  credential.password = std::move(password.text);
  credential.realm = arguments.realm;
  credential.tenant = arguments.tenant;
  credential.iterations = arguments.iterations;
  credential.hashes = arguments.hashes;
  const auto there = file.set(credential);
  if (!there) return complain(status_usage, there.error().message);
  if (const auto written = edited.put(file.text()); !written) return complain(status_file, written.error().message);
  print(stderr, fmt::format("{} {} in {}\n", *there ? "changed" : "added", shown, arguments.file));
  return status_done;
}

EditedFile::Purpose purpose_of(Arguments::Action action) {
  using Action = Arguments::Action;
  if (action == Action::set) return EditedFile::Purpose::make;
  return action == Action::remove ? EditedFile::Purpose::edit : EditedFile::Purpose::look;
}

int run(const Arguments& arguments) {
  using Action = Arguments::Action;
  const auto edited = EditedFile::open(arguments.file, purpose_of(arguments.action));
  if (!edited) return complain(status_file, edited.error().message);
  const std::string& text = edited->text();
  const auto format = arguments.format ? arguments.format : auth::PasswordFile::guess(text);
  const auth::Format used = format.value_or(auth::Format::scram);
  if (arguments.action == Action::set && arguments.of_scram && used != auth::Format::scram)
    return misused("--iterations and --hash are for files of the format scram");
  if (!arguments.realm.empty() && used != auth::Format::digest)
    return misused("--realm is for files of the format digest");
  auto file = auth::PasswordFile::parse(used, text);
  if (!file)
    return complain(status_file, fmt::format("{}: {}; nothing was changed (--format says of what format it is)",
                                             arguments.file, file.error().message));
  return act(arguments, *edited, *file, used);
}

int main_of(int argc, char** argv) {
  // A password file of that name is still to be had, as ./key.
  if (argc > 2 && argv[1] == std::string_view("key") && is_key_action(argv[2])) return run_keys(argc - 1, argv + 1);
  Arguments arguments;
  opterr = 0;
  for (int found = 0; (found = ::getopt_long(argc, argv, ":f:r:t:i:h", long_options, nullptr)) != -1;) {
    switch (found) {
      case 'h':
        print_help();
        return status_done;
      case 'V':
        print(stdout, "ec_passwd (impulse) " PACKAGE_VERSION "\n");
        return status_done;
      case ':':
        return misused(fmt::format("{} needs a value", argv[optind - 1]));
      case '?':
        return misused(optopt > 0 && optopt < 256 ? fmt::format("unknown option -{}", static_cast<char>(optopt))
                                                  : fmt::format("unknown option {}", argv[optind - 1]));
      default:
        if (const std::string wrong = read_option(found, arguments); !wrong.empty()) return misused(wrong);
    }
  }
  const bool with_user = arguments.action != Arguments::Action::list;
  const int expected = with_user ? 2 : 1;
  if (argc - optind != expected) return misused(with_user ? "a file and a user are expected" : "a file is expected");
  arguments.file = argv[optind];
  if (with_user) arguments.user = argv[optind + 1];
  if (arguments.file.empty()) return misused("the name of a file is expected");
  if (arguments.user.empty() && with_user) return misused("the name of a user is expected");
  return run(arguments);
}

}  // namespace
}  // namespace impulse::console

int main(int argc, char** argv) { return impulse::console::main_of(argc, argv); }
