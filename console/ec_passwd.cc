// ec_passwd: makes and edits the password files that Auth…Parameters name. See
// doc/ec_passwd.1.
#include "auth/password_file.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/tenant.h"
#include "base/text.h"
#include "console/password.h"

#include "config.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace impulse::console {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view usage_text =
    "usage: ec_passwd [-f FORMAT] [-r REALM] [-t TENANT] [-i COUNT] [--hash HASH] [--stdin] FILE USER\n"
    "       ec_passwd --delete [-r REALM] [-t TENANT] FILE USER\n"
    "       ec_passwd --verify [-r REALM] [-t TENANT] [--stdin] FILE USER\n"
    "       ec_passwd --list FILE\n"
    "       ec_passwd --help | --version\n";

constexpr std::string_view help_text =
    "\n"
    "Makes and edits the password files that impulsed reads. Without an action it\n"
    "adds USER to FILE, or gives USER another password; a FILE that is not there is\n"
    "made, for its owner alone. impulsed sees the change at the next attempt.\n"
    "\n"
    "  -f, --format FORMAT   scram (of a new file), digest, or file (in clear)\n"
    "  -r, --realm REALM     of digest: AuthDigestMD5Parameters' realm, or Hostname\n"
    "  -t, --tenant TENANT   whose user it is: the file says TENANT/USER\n"
    "  -i, --iterations N    of scram: 4096 and more (4096)\n"
    "      --hash HASH       of scram: sha256, sha1 or both (sha256)\n"
    "      --stdin           the password is the first line of standard input\n"
    "      --delete          take USER out\n"
    "      --verify          say whether that is USER's password\n"
    "      --list            say who is in FILE\n"
    "\n"
    "Exit status: 0 done, 1 wrong password or no such user, 2 usage, 3 a file that\n"
    "cannot be read, written or understood, 4 no password was given.\n";

enum Status : int { status_done = 0, status_no = 1, status_usage = 2, status_file = 3, status_no_password = 4 };

void print(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

int complain(Status status, std::string_view text) {
  print(stderr, fmt::format("ec_passwd: {}\n", text));
  return status;
}

int misused(std::string_view text) {
  complain(status_usage, text);
  print(stderr, usage_text);
  return status_usage;
}

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

// One editor at a time, in that folder; the lock goes with the descriptor.
Result<UniqueFd> lock_folder(const fs::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) return fail_errno(errno, folder.string());
  return fd;
}

// The new content in the old one's place. Whoever had the file keeps it, also
// when it is root who edits; and a group that could read it still can.
Result<> put(const fs::path& path, std::string_view text) {
  struct stat before{};
  const bool there = ::stat(path.c_str(), &before) == 0;
  const std::string fresh = fmt::format("{}.new.{}", path.string(), ::getpid());
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(errno, fresh);
  Result<> done = write_all(fd.get(), text);
  // By the descriptor: the name may be somebody else's to change.
  if (done && there && (before.st_uid != ::geteuid() || before.st_gid != ::getegid()) &&
      ::fchown(fd.get(), before.st_uid, before.st_gid) != 0)
    done = fail_errno(errno, fresh);
  const bool group = there && (before.st_mode & S_IRGRP) != 0;
  if (done && ::fchmod(fd.get(), group ? 0640 : 0600) != 0) done = fail_errno(errno, fresh);
  if (done && ::fsync(fd.get()) != 0) done = fail_errno(errno, fresh);
  if (done && ::rename(fresh.c_str(), path.c_str()) != 0) done = fail_errno(errno, path.string());
  if (!done) {
    ::unlink(fresh.c_str());
    return done;
  }
  return sync_directory(path.parent_path().string());
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

int act(const Arguments& arguments, const fs::path& path, auth::PasswordFile& file, auth::Format format) {
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
    if (const auto written = put(path, file.text()); !written) return complain(status_file, written.error().message);
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
  if (const auto written = put(path, file.text()); !written) return complain(status_file, written.error().message);
  print(stderr, fmt::format("{} {} in {}\n", *there ? "changed" : "added", shown, arguments.file));
  return status_done;
}

int run(const Arguments& arguments) {
  using Action = Arguments::Action;
  std::error_code failed;
  // Of a link, what it leads to: that is what impulsed reads.
  const fs::path path = fs::weakly_canonical(fs::absolute(arguments.file, failed), failed);
  if (failed || path.empty()) return complain(status_file, fmt::format("{}: {}", arguments.file, failed.message()));
  const auto lock = lock_folder(path.parent_path());
  if (!lock) return complain(status_file, lock.error().message);
  std::string text;
  const bool there = fs::exists(path, failed);
  if (there || arguments.action != Action::set) {
    auto content = read_file(path.string(), size_t{16} << 20);
    if (!content) return complain(status_file, content.error().message);
    text = std::move(*content);
  }
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
  return act(arguments, path, *file, used);
}

int main_of(int argc, char** argv) {
  Arguments arguments;
  opterr = 0;
  for (int found = 0; (found = ::getopt_long(argc, argv, ":f:r:t:i:h", long_options, nullptr)) != -1;) {
    switch (found) {
      case 'h':
        print(stdout, usage_text);
        print(stdout, help_text);
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
