// Secrets compared and digested. Built on OpenSSL.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impulse::auth {

// Takes the same time whatever the two have in common, and whatever their
// lengths are up to hashing them.
bool same_secret(std::string_view a, std::string_view b);
// SHA-256, 32 bytes: tells whether something changed. Of a password it is to
// be kept as the password itself.
std::string fingerprint(std::string_view text);
// HMAC-SHA-256, 32 bytes.
std::string keyed_hash(std::string_view key, std::string_view text);
// Bytes nobody can guess; the process ends when the system has none to give.
std::string random_bytes(size_t count);

// Standard base64 (RFC 4648, section 4): padded, no other characters.
std::string to_base64(std::string_view bytes);
bool from_base64(std::string_view text, std::string& bytes);  // false: it is none

}  // namespace impulse::auth
