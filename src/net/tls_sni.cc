#include "net/tls_sni.h"

#include "base/text.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <span>

namespace impulse::net {

namespace {

constexpr size_t longest_name = 255;

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > longest_name) return false;
  for (const std::string_view label : split(text, '.')) {
    const auto legal = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; };
    if (label.empty() || label.size() > 63 || !std::ranges::all_of(label, legal)) return false;
  }
  return true;
}

using Bytes = std::span<const unsigned char>;

// A number of two octets; takes it off the front. None: too short.
std::optional<size_t> take_number(Bytes& bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const size_t value = static_cast<size_t>(bytes[0]) << 8 | bytes[1];
  bytes = bytes.subspan(2);
  return value;
}

}  // namespace

Result<> SniTable::add(std::string_view pattern, size_t certificate) {
  const std::string name = lower(pattern.ends_with('.') ? pattern.substr(0, pattern.size() - 1) : pattern);
  const auto twice = [&] { return fail(Errc::exists, "'{}' stands there twice", escape_line(pattern, 80)); };
  if (pattern == "*") {
    if (any_) return twice();
    any_ = certificate;
    return {};
  }
  const bool below = name.starts_with("*.");
  const std::string_view host = below ? std::string_view(name).substr(2) : std::string_view(name);
  if (!is_host_name(host))
    return fail(Errc::invalid, "'{}' is no server name; expected one such as mx.example.com or *.example.com{}",
                escape_line(pattern, 80), is_ascii(pattern) ? "" : " (in its ASCII form, xn--…)");
  if (!(below ? below_ : exact_).emplace(host, certificate).second) return twice();
  return {};
}

std::optional<size_t> SniTable::find(std::string_view name) const {
  if (name.empty()) return std::nullopt;
  if (const auto found = exact_.find(name); found != exact_.end()) return found->second;
  for (size_t dot = name.find('.'); dot != std::string_view::npos && !below_.empty(); dot = name.find('.', dot + 1))
    if (const auto found = below_.find(name.substr(dot + 1)); found != below_.end()) return found->second;
  return any_;
}

// RFC 6066 §3: a list of names with a type each, of which type 0 is the only one.
std::string asked_server_name(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  Bytes bytes(data, size);
  const auto list = take_number(bytes);
  if (!list || *list != bytes.size() || bytes.empty() || bytes[0] != TLSEXT_NAMETYPE_host_name) return {};
  bytes = bytes.subspan(1);
  const auto length = take_number(bytes);
  if (!length || *length > bytes.size()) return {};
  std::string_view name(reinterpret_cast<const char*>(bytes.data()), *length);
  if (name.ends_with('.')) name.remove_suffix(1);
  return is_host_name(name) ? lower(name) : std::string();
}

}  // namespace impulse::net
