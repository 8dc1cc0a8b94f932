// Feeds TLS what comes before a key is agreed on. The first byte chooses, by
// 0x03, what the rest is:
//   0  the first bytes of a client;
//   1  a server name extension and one of pre-shared keys, a length each in
//      front, in a hello that is good otherwise;
//   2  damage to a handshake of a true client with a true server: an offset
//      of two bytes and a mask, as often as there are;
//   3  a file of pre-shared keys; behind a byte 0x1E patterns of server names,
//      behind another one names to look up, a line each;
// by 0x0C which server, and 0x10 makes it TLS 1.2. The second says how the
// bytes are cut. Nobody is let in by bytes that were made in advance; damage
// never makes two ends agree on different things, or reads as data.
#include "base/fd.h"
#include "base/files.h"
#include "base/text.h"
#include "kit.h"
#include "net/tls_rules.h"
#include "net/tls_session.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::net;
using fuzz::check;

constexpr std::string_view asked_name = "mx.example.com";
constexpr std::string_view identity = "relay one";
constexpr std::string_view key = "0123456789abcdef";  // bytes
constexpr std::string_view key_file = "# keys\nrelay one:30313233343536373839616263646566\n";

// Certificate and key of one who signs for himself, as PEM.
std::string self_signed(const char* name) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new(BIO_s_mem()), &BIO_free);
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 86400);
  X509_set_pubkey(x, pair.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  check(X509_sign(x, pair.get(), EVP_sha256()) > 0 && PEM_write_bio_X509(pem.get(), x) == 1 &&
            PEM_write_bio_PKCS8PrivateKey(pem.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "no certificate");
  char* data = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &data);
  return {data, static_cast<size_t>(size)};
}

unsigned offer_key(SSL*, const char*, char* name, unsigned name_space, unsigned char* into, unsigned space) {
  check(name_space > identity.size() && space >= key.size(), "no room for the key");
  std::copy(identity.begin(), identity.end(), name);
  name[identity.size()] = '\0';
  std::copy(key.begin(), key.end(), into);
  return static_cast<unsigned>(key.size());
}

// What a listener may be set to, with a client to go with it.
struct Ends {
  TlsContextPtr server;
  TlsContextPtr client;
  bool by_key = false;  // of two that speak TLS 1.2, one who has a certificate too shows that
  bool by_certificate = false;
};

enum class Kind : uint8_t { names, keys_beside, keys_only, certificates };

Ends make_ends(Kind kind, const char* protocols) {
  static const std::string first = self_signed("first"), second = self_signed("second");
  static const UniqueFd keys(::memfd_create("keys", MFD_CLOEXEC));
  static const bool written = write_all(keys.get(), key_file).has_value();
  check(written, "no file of keys");
  TlsSettings server, client;
  server.protocols = client.protocols = protocols;
  if (kind != Kind::keys_only) server.certificate = first;
  if (kind == Kind::names) {
    server.sni = {{"*.example.com", second, "", "", "below"}, {"one.example.net", first, "", "", "one"}};
  } else if (kind == Kind::certificates) {
    server.verify = TlsVerify::require;
    server.ca = client.certificate = second;
  } else {
    server.psk = true;
    server.psk_file = "/proc/self/fd/" + std::to_string(keys.get());
    server.psk_hint = "which relay?";
  }
  Ends ends{.server = TlsContext::server(server).value(),
            .client = TlsContext::client(client).value(),
            .by_key = server.psk && (server.certificate.empty() || server.protocols.contains("TLSv1.3")),
            .by_certificate = kind == Kind::certificates};
  if (server.psk) SSL_CTX_set_psk_client_callback(ends.client->native(), offer_key);
  return ends;
}

const Ends& ends_for(uint8_t choice) {
  static const std::array<std::vector<Ends>, 2> made = [] {
    std::array<std::vector<Ends>, 2> both;
    for (const Kind kind : {Kind::names, Kind::keys_beside, Kind::keys_only, Kind::certificates}) {
      both[0].push_back(make_ends(kind, "+TLSv1.2:+TLSv1.3"));
      both[1].push_back(make_ends(kind, "+TLSv1.2"));
    }
    return both;
  }();
  return made[choice >> 4 & 1][choice >> 2 & 3];
}

// For logs.
void check_text(std::string_view text) {
  for (const char c : text) check(static_cast<unsigned char>(c) >= ' ' && c != '\x7F', "a strange text");
}

// A session on one end of a pair of sockets; the other one is the wire.
class End {
 public:
  explicit End(std::unique_ptr<TlsSession> tls) : tls_(std::move(tls)) {
    int fds[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0, "no sockets");
    near_ = UniqueFd(fds[0]);
    far_ = UniqueFd(fds[1]);
  }
  void put(std::string_view bytes) {
    check(bytes.empty() ||
              ::send(far_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()),
          "a wire that is full");
  }
  std::string take() {
    char buffer[16384];
    const ssize_t got = ::recv(far_.get(), buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : std::string();
  }
  // As far as it gets with what has come.
  void go_on() {
    if (last_.io != Io::need_read) return;
    last_ = tls_->handshake(near_.get());
    check(last_.io == Io::ok || last_.io == Io::need_read || last_.io == Io::failed,
          "a handshake that wants something");
    check((last_.io == Io::failed) == !last_.detail.empty(), "a failure without a word, or a word without one");
    check_text(last_.detail);
  }
  const IoResult& last() const { return last_; }
  bool secure() const { return last_.io == Io::ok; }
  TlsSession& tls() { return *tls_; }

 private:
  std::unique_ptr<TlsSession> tls_;
  UniqueFd near_, far_;
  IoResult last_{Io::need_read, 0, false, {}};
};

void check_name(std::string_view name, std::string_view input) {
  check(name.size() <= 255 && !name.starts_with('.') && !name.ends_with('.'), "a name of a wrong shape");
  for (const char c : name)
    check(is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.', "a strange name");
  check(name.empty() || lower(input).contains(name), "a name that nobody has said");
}

struct Outcome {
  Io io = Io::ok;
  std::string detail;
  std::string name;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome listen(const TlsContextPtr& context, std::string_view input, fuzz::Cuts cuts) {
  End server(TlsSession::server(context).value());
  server.go_on();
  while (!input.empty() && server.last().io == Io::need_read) {
    const size_t count = cuts.next(input.size());
    server.put(input.substr(0, count));
    input.remove_prefix(count);
    server.go_on();
  }
  check(!server.secure(), "let in by bytes of somebody else");
  return {server.last().io, server.last().detail, server.tls().info().server_name};
}

void check_flight(const TlsContextPtr& context, std::string_view input, uint8_t seed) {
  const Outcome at_once = listen(context, input, fuzz::Cuts(0));
  check_name(at_once.name, input);
  check(at_once == listen(context, input, fuzz::Cuts(1U + seed, 64)), "the cutting shows");
  if (!input.empty()) check_text(not_tls(input.substr(0, 24)));
}

std::string number(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string counted(std::string_view bytes) { return number(bytes.size()) + std::string(bytes); }

// A hello for the suites of both versions, whose key share is that of the curve's own generator.
std::string hello_with(std::string_view server_name, std::string_view psk, bool tls13) {
  std::string extensions;
  const auto add = [&](size_t type, std::string_view body) { extensions += number(type) + counted(body); };
  if (!server_name.empty()) add(TLSEXT_TYPE_server_name, server_name);
  add(TLSEXT_TYPE_supported_groups, counted(number(29)));  // X25519
  add(TLSEXT_TYPE_signature_algorithms, counted(number(0x0403) + number(0x0804)));
  if (tls13) {
    add(TLSEXT_TYPE_supported_versions, "\x02" + number(TLS1_3_VERSION));
    std::string share(32, '\0');
    share[0] = 9;
    add(TLSEXT_TYPE_key_share, counted(number(29) + counted(share)));
    add(TLSEXT_TYPE_psk_kex_modes, "\x01\x01");
  }
  if (!psk.empty()) add(TLSEXT_TYPE_psk, psk);  // the last one, RFC 8446 §4.2.11
  constexpr std::string_view suites("\x13\x01\x13\x02\xC0\x2B\xC0\xA8\x00\xA8", 10);
  const std::string body = number(TLS1_2_VERSION) + std::string(32, 'r') + '\0' + counted(suites) +
                           std::string("\x01\x00", 2) + counted(extensions);
  const std::string message = std::string("\x01\x00", 2) + counted(body);
  return "\x16" + number(TLS1_VERSION) + counted(message);
}

// A length in front, of one byte.
std::string_view take_counted(std::string_view& bytes) {
  if (bytes.empty()) return {};
  const size_t size = std::min<size_t>(static_cast<unsigned char>(bytes[0]), bytes.size() - 1);
  const std::string_view taken = bytes.substr(1, size);
  bytes.remove_prefix(1 + size);
  return taken;
}

// What is wrong with the bytes on their way.
struct Damage {
  struct Flip {
    size_t at;  // 0x8000: on the way to the client
    char mask;
  };
  std::vector<Flip> flips;
  size_t passed[2] = {0, 0};

  explicit Damage(std::string_view text) {
    for (; text.size() >= 3 && flips.size() < 16; text.remove_prefix(3))
      flips.push_back(
          {static_cast<size_t>(static_cast<unsigned char>(text[0])) << 8 | static_cast<unsigned char>(text[1]),
           text[2]});
  }
  std::string pass(std::string bytes, bool to_client) {
    for (const Flip& flip : flips) {
      const size_t at = flip.at & 0x7FFF;
      if (((flip.at & 0x8000) != 0) != to_client || at < passed[to_client]) continue;
      if (at - passed[to_client] < bytes.size()) bytes[at - passed[to_client]] ^= flip.mask;
    }
    passed[to_client] += bytes.size();
    return bytes;
  }
};

bool carry(End& from, End& to, bool to_client, Damage& damage, fuzz::Cuts& cuts) {
  const std::string bytes = damage.pass(from.take(), to_client);
  for (std::string_view left = bytes; !left.empty();) {
    // Nobody reads small pieces any more behind a handshake: they would fill the socket.
    const size_t count = to.last().io == Io::need_read ? cuts.next(left.size()) : left.size();
    to.put(left.substr(0, count));
    left.remove_prefix(count);
    to.go_on();
  }
  return !bytes.empty();
}

void check_data(End& from, End& to, bool to_client, Damage& damage, fuzz::Cuts& cuts) {
  constexpr std::string_view said = "220 mx.example.com ESMTP\r\n";
  if (from.tls().write(said).io != Io::ok) return;
  carry(from, to, to_client, damage, cuts);
  char buffer[64];
  const IoResult heard = to.tls().read(buffer);
  if (damage.flips.empty()) check(heard.io == Io::ok && heard.bytes == said.size(), "data lost on a good way");
  if (heard.io == Io::ok) check(said.starts_with(std::string_view(buffer, heard.bytes)), "data that nobody has sent");
}

void check_handshake(const Ends& ends, std::string_view damages, fuzz::Cuts cuts) {
  End server(TlsSession::server(ends.server).value());
  End client(TlsSession::client(ends.client, std::string(asked_name), false).value());
  Damage damage(damages);
  server.go_on();
  client.go_on();
  while (carry(client, server, false, damage, cuts) || carry(server, client, true, damage, cuts)) continue;
  if (damage.flips.empty()) check(server.secure() && client.secure(), "a good handshake that fails");
  if (!server.secure() || !client.secure()) return;
  const TlsInfo ours = server.tls().info(), theirs = client.tls().info();
  check(ours.version == theirs.version && ours.cipher == theirs.cipher, "two opinions of what was agreed on");
  check(ours.server_name == asked_name && !ours.resumed, "a name that nobody asked for");
  check(ours.psk_identity == (ends.by_key ? identity : ""), "an identity of somebody else");
  check((ours.peer && ours.peer->verified) == ends.by_certificate, "a certificate of somebody else");
  check_data(client, server, false, damage, cuts);
  check_data(server, client, true, damage, cuts);
}

void check_keys(std::string_view text) {
  const auto table = PskTable::parse(text, "keys");
  if (!table) {
    size_t digits = 0;
    for (const char c : table.error().message) {
      digits = std::string_view("0123456789abcdefABCDEF").contains(c) ? digits + 1 : 0;
      check(digits < 16, "a key in an error");
    }
    return;
  }
  size_t keys = 0;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    ++keys;
    const std::string_view name = trim(line.substr(0, line.rfind(':')));
    const PskTable::Found found = table->find(name);
    check(found.known && found.key.size() >= PskTable::least_key && found.key.size() <= PskTable::largest_key,
          "a key that is not found");
    const std::string other = std::string(name) + "x";
    if (!text.contains(other)) check(!table->find(other).known, "a key of nobody");
  }
  check(keys == table->size(), "keys that nobody has written");
}

struct Pattern {
  std::string text;
  size_t certificate;
};

// The whole name, then the longest pattern, then any: one after the other.
std::optional<size_t> found_slowly(const std::vector<Pattern>& patterns, std::string_view name) {
  const Pattern* best = nullptr;
  if (name.empty()) return std::nullopt;
  for (const Pattern& pattern : patterns) {
    if (pattern.text == name) return pattern.certificate;
    const bool fits =
        pattern.text == "*" || (pattern.text.starts_with("*.") && name.size() >= pattern.text.size() - 1 &&
                                name.ends_with(std::string_view(pattern.text).substr(1)));
    if (fits && (best == nullptr || best->text.size() < pattern.text.size())) best = &pattern;
  }
  return best != nullptr ? std::optional(best->certificate) : std::nullopt;
}

void check_names(std::string_view patterns, std::string_view names) {
  SniTable table;
  std::vector<Pattern> added;
  for (const std::string_view pattern : split(patterns, '\n')) {
    if (!table.add(pattern, added.size())) continue;
    added.push_back({lower(pattern.ends_with('.') ? pattern.substr(0, pattern.size() - 1) : pattern), added.size()});
  }
  check(table.empty() == added.empty(), "patterns that are lost");
  for (const std::string_view name : split(names, '\n'))
    check(table.find(name) == found_slowly(added, name), "another certificate than by looking at each");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 32768) return 0;
  std::string_view input = fuzz::text_of(data + 2, size - 2);
  const Ends& ends = ends_for(data[0]);
  switch (data[0] & 3) {
    case 0:
      check_flight(ends.server, input, data[1]);
      break;
    case 1: {
      const std::string_view name = take_counted(input);
      const std::string_view psk = take_counted(input);
      check_flight(ends.server, hello_with(name, psk, (data[0] & 0x10) == 0) + std::string(input), data[1]);
      break;
    }
    case 2:
      check_handshake(ends, input, fuzz::Cuts(data[1], 1 + data[1]));
      break;
    default: {
      const std::vector<std::string_view> parts = split(input, '\x1E');
      check_keys(parts[0]);
      if (parts.size() > 1) check_names(parts[1], parts.size() > 2 ? parts[2] : parts[1]);
      break;
    }
  }
  return 0;
}
