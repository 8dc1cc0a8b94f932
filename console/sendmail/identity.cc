#include "console/sendmail/identity.h"

#include "base/files.h"
#include "base/text.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace impulse::sendmail {
namespace {

constexpr std::string_view shipped_socket = "/run/impulse/esmtp.sock";

// The field's first part is the name, and '&' in it stands for the login.
std::string name_in_gecos(std::string_view gecos, std::string_view login) {
  std::string name;
  for (const char c : gecos.substr(0, gecos.find(','))) {
    if (c != '&') {
      name += c;
      continue;
    }
    if (login.empty()) continue;
    name += to_upper(login.front());
    name += login.substr(1);
  }
  return name;
}

}  // namespace

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

Outcome<Person> calling_person() {
  const uid_t user = ::getuid();
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16384, '\0');
  const int error = ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    return fail_with(EX_OSERR, fmt::format("user {} has no name{}; say -f", user,
                                           error == 0 ? "" : " that could be read: " + errno_text(error)));
  }
  return Person{entry.pw_name, name_in_gecos(entry.pw_gecos == nullptr ? "" : entry.pw_gecos, entry.pw_name)};
}

Outcome<std::string> home_domain(std::string_view named) {
  if (!named.empty()) return std::string(named);
  if (std::string set = environment("IMPULSE_SENDMAIL_DOMAIN"); !set.empty()) return set;
  if (const auto mailname = read_file("/etc/mailname", 4096)) {
    const std::string_view first = trim(std::string_view(*mailname).substr(0, mailname->find('\n')));
    if (!first.empty()) return std::string(first);
  }
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0')
    return fail_with(EX_OSERR, "this host has no name; say --domain");
  return std::string(host.data());
}

std::string server_place(std::string_view named) {
  if (!named.empty()) return std::string(named);
  if (std::string set = environment("IMPULSE_SENDMAIL_SERVER"); !set.empty()) return set;
  return std::string(shipped_socket);
}

}  // namespace impulse::sendmail
