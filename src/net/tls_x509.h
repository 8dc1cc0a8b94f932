// What stands in certificates, as text and times. net/ only.
#pragma once

#include "base/clock.h"

#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace impulse::net {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
template <class T, auto free>
using Owned = std::unique_ptr<T, Free<free>>;

// "CN=mx.example.com,O=Example" (RFC 2253).
std::string name_text(const X509_NAME* name);
// The only common name; empty with none, with several, and with one that no
// line can hold.
std::string common_name(const X509_NAME* name);

struct AlternativeName {
  enum class Kind { dns, email, uri, address } kind;
  std::string text;  // as it stands there: NUL and control characters are possible
};
std::vector<AlternativeName> alternative_names(const X509* certificate);

std::string serial_text(const X509* certificate);       // hexadecimal, lower case
std::string fingerprint_text(const X509* certificate);  // SHA-256, hexadecimal, lower case
WallTime time_of(const ASN1_TIME* time);                // the epoch when it cannot be read
std::string time_text(WallTime time);                   // "2031-02-28 23:59:59 UTC"

// Whether it is one line of UTF-8 without control characters, and not empty.
bool is_plain_text(const std::string& text);

}  // namespace impulse::net
