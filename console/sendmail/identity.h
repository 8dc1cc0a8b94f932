// Who calls ec_sendmail, and what this machine calls itself.
#pragma once

#include "console/sendmail/failure.h"

#include <string>
#include <string_view>

namespace impulse::sendmail {

struct Person {
  std::string login;
  std::string full_name;  // of the password database; empty: none
};

// The real user of this process. EX_OSERR when it has no name.
Outcome<Person> calling_person();

// For addresses without a domain, by precedence: `named` (--domain),
// IMPULSE_SENDMAIL_DOMAIN, /etc/mailname (Debian policy 11.6), the host's name.
Outcome<std::string> home_domain(std::string_view named);

// Where the server is, by precedence: `named` (--server),
// IMPULSE_SENDMAIL_SERVER, the socket of the shipped configuration.
std::string server_place(std::string_view named);

// An environment variable; empty when it is not set, or when this process runs
// with more rights than its caller has.
std::string environment(const char* name);

}  // namespace impulse::sendmail
