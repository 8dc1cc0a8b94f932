// The command line of ec_inject.
#pragma once

#include "console/address.h"
#include "console/inject/distribution.h"
#include "console/inject/failure.h"
#include "console/inject/pattern.h"
#include "console/inject/source.h"
#include "console/transport.h"

#include <cstdint>
#include <optional>
#include <string>

namespace impulse::ecinject {

enum class Protocol : uint8_t { smtp, lmtp, http, ecstream };
enum class Api : uint8_t { messages, transmissions, inject };  // of HTTP
std::string_view name_of(Protocol protocol);
std::string_view name_of(Api api);

// Where secrets come from besides the terminal, for scripts.
constexpr const char* password_variable = "EC_INJECT_PASSWORD";
constexpr const char* key_variable = "EC_INJECT_API_KEY";

struct Options {
  enum class Mode : uint8_t { run, help, version };
  Mode mode = Mode::run;

  Protocol protocol = Protocol::smtp;
  console::Address server;
  bool tls = false;       // from the first byte
  bool starttls = false;  // SMTP, LMTP
  console::TlsOptions tls_options;
  std::string user;  // empty: no authentication but by certificate
  std::string password_file;
  std::string key_file;  // HTTP
  std::string helo;      // empty: this machine's name

  // What goes.
  StoredSource::Places places;
  bool generated = true;  // no places
  Distribution sizes = Distribution::fixed(10240);
  EnvelopeRules envelope;
  bool seed_given = false;

  // How much of it, and how.
  std::optional<uint64_t> number;
  double duration = 0;  // seconds; 0: no limit
  double rate = 0;      // messages a second; 0: no limit
  size_t connections = 1;
  uint64_t per_connection = 0;  // messages; 0: no limit
  uint64_t batch = 0;           // 0: not given
  Api api = Api::messages;
  bool pipelining = true;  // where it is offered
  bool bdat = false;
  std::string stream;
  bool retry = false;
  double timeout = 60;   // seconds for an answer
  double patience = 60;  // seconds without a connection before giving up

  std::string json;  // file, or "-"; empty: none
  bool quiet = false;
};

// Fails with EX_USAGE.
Outcome<Options> read_options(int argc, char** argv);

// Seconds: "10", "1.5s", "500ms", "2m", "1h".
Result<double> parse_seconds(std::string_view text);

extern const char usage_text[];

}  // namespace impulse::ecinject
