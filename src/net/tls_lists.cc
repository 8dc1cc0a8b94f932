// Protocols, ciphers and groups: each name is looked at, so that one that is
// misspelt is told and not passed over.
#include "net/tls_lists.h"

#include "base/text.h"
#include "net/tls_pem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::net {

namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// The parts of a list between any of ':', ',' and white space.
std::vector<std::string_view> list_items(std::string_view list) {
  std::vector<std::string_view> items;
  size_t start = 0;
  for (size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] != ':' && list[i] != ',' && !is_space(list[i])) continue;
    if (i > start) items.push_back(list.substr(start, i - start));
    start = i + 1;
  }
  return items;
}

// "+TLSv1.2:-TLSv1.3", "TLSv1.2, TLSv1.3": a name adds, a minus takes away; a
// list of minuses only takes away from all. What is older than 1.2 may be
// taken away but not be asked for.
Result<> use_protocols(SSL_CTX* context, std::string_view list) {
  constexpr std::array<std::string_view, 8> known = {"TLSv1.2", "TLSv1.3", "ALL",   "TLSv1",
                                                     "TLSv1.0", "TLSv1.1", "SSLv2", "SSLv3"};
  const auto items = list_items(list);
  bool v12 = true, v13 = true;
  for (const auto item : items) {
    if (!item.starts_with('-')) v12 = v13 = false;
  }
  for (const auto item : items) {
    const bool remove = item.starts_with('-');
    const std::string_view name = remove || item.starts_with('+') ? item.substr(1) : item;
    if (iequals(name, "ALL")) {
      v12 = v13 = !remove;
    } else if (iequals(name, "TLSv1.2")) {
      v12 = !remove;
    } else if (iequals(name, "TLSv1.3")) {
      v13 = !remove;
    } else if (std::find_if(known.begin(), known.end(), [&](auto k) { return iequals(k, name); }) == known.end()) {
      const auto guess = nearest(name, known);
      return fail(Errc::invalid, "unknown TLS protocol '{}'{}", escape_line(name, 32),
                  guess.empty() ? std::string() : fmt::format(", did you mean {}?", guess));
    } else if (!remove) {
      return fail(Errc::invalid, "{} is not supported: it is broken; TLSv1.2 and TLSv1.3 are possible", name);
    }
  }
  if (!v12 && !v13) return fail(Errc::invalid, "no TLS protocol is left by '{}'", escape_line(list, 64));
  SSL_CTX_set_min_proto_version(context, v12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, v13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  return {};
}

// OpenSSL passes over names it does not know as long as one is good; a
// misspelt cipher should be told, so each is tried alone.
Result<> check_items(std::string_view list, std::string_view kind, int (*set)(SSL_CTX*, const char*)) {
  const std::unique_ptr<SSL_CTX, ContextDeleter> trial(SSL_CTX_new(TLS_method()));
  if (!trial) return fail(Errc::no_space, "TLS: out of memory");
  for (auto item : list_items(list)) {
    if (item.starts_with('!') || item.starts_with('-') || item.starts_with('@')) continue;
    if (item.starts_with('+')) item.remove_prefix(1);
    if (set(trial.get(), std::string(item).c_str()) == 1) continue;
    ERR_clear_error();
    return fail(Errc::invalid, "unknown {} '{}'", kind, escape_line(item, 64));
  }
  return {};
}

Result<> use_list(SSL_CTX* context, const std::string& list, std::string_view kind, int (*set)(SSL_CTX*, const char*)) {
  if (list_items(list).empty()) return {};  // the library's own
  if (auto known = check_items(list, kind, set); !known) return known;
  // OpenSSL wants colons.
  std::string joined;
  for (const auto item : list_items(list)) joined.append(joined.empty() ? "" : ":").append(item);
  if (set(context, joined.c_str()) == 1) return {};
  return fail(Errc::invalid, "no usable {} in '{}': {}", kind, escape_line(list, 128), openssl_error());
}

int set_groups(SSL_CTX* context, const char* list) {
  return static_cast<int>(SSL_CTX_set1_groups_list(context, const_cast<char*>(list)));
}

}  // namespace

Result<> use_lists(SSL_CTX* context, const TlsSettings& settings) {
  // With ChaCha20 first a client says that it has no AES in hardware.
  if (settings.prefer_server_ciphers)
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  auto done = use_protocols(context, settings.protocols);
  if (done) done = use_list(context, settings.ciphers, "TLS 1.2 cipher", SSL_CTX_set_cipher_list);
  if (done) done = use_list(context, settings.ciphersuites, "TLS 1.3 cipher suite", SSL_CTX_set_ciphersuites);
  if (done) done = use_list(context, settings.groups, "TLS group", set_groups);
  return done;
}

}  // namespace impulse::net
