// ec_inject: sends messages, real ones or made ones, by SMTP, LMTP, HTTP or
// ECStream, and tells how that went. See doc/ec_inject.1.
#include "auth/password.h"
#include "base/files.h"
#include "base/text.h"
#include "console/inject/ecstream_engine.h"
#include "console/inject/http_engine.h"
#include "console/inject/options.h"
#include "console/inject/report.h"
#include "console/inject/smtp_engine.h"
#include "console/interrupt.h"
#include "console/password.h"

#include "config.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

namespace impulse::ecinject {
namespace {

constexpr int exit_not_all = 1;
constexpr int exit_interrupted = 128 + SIGINT;

uint64_t random_number() {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) number = static_cast<uint64_t>(::getpid());
  return number;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

struct Secrets {
  std::string password;
  std::string key;
};

Outcome<std::string> from_console(console::Outcome<std::string> found) {
  if (found) return std::move(*found);
  using Kind = console::Failure::Kind;
  const Kind kind = found.error().kind;
  const int status = kind == Kind::interrupted ? exit_interrupted : kind == Kind::misuse ? EX_NOINPUT : EX_NOPERM;
  return fail_with(status, found.error().text);
}

Outcome<Secrets> read_secrets(const Options& options) {
  Secrets secrets;
  bool found = false;
  if (!options.user.empty()) {
    auto password = from_console(console::stored_password({options.password_file, password_variable}, found));
    if (password && !found)
      password = from_console(
          console::ask_password(fmt::format("Password of {}: ", escape_line(options.user, 64)), -1, password_variable));
    if (!password) return std::unexpected(password.error());
    secrets.password = std::move(*password);
  } else if (options.protocol == Protocol::http) {
    auto key = from_console(console::stored_password({options.key_file, key_variable}, found));
    if (!key) return std::unexpected(key.error());
    for (const unsigned char c : *key)
      if (c <= ' ' || c >= 0x7F)
        return fail_with(EX_NOINPUT, "the API key is none: it holds a blank or a control character");
    secrets.key = std::move(*key);
  }
  return secrets;
}

Outcome<std::unique_ptr<Source>> make_source(const Options& options, const std::string& host) {
  if (options.generated) {
    const std::string date = fmt::format("{:%a, %d %b %Y %H:%M:%S} +0000", fmt::gmtime(std::time(nullptr)));
    return std::make_unique<GeneratedSource>(options.envelope, options.sizes, date, host);
  }
  std::string_view need_utf8;
  if (options.protocol == Protocol::http && options.api != Api::messages)
    need_utf8 = "--api messages takes it as it is";
  auto stored = StoredSource::open(options.envelope, options.places, need_utf8);
  if (!stored) return std::unexpected(stored.error());
  return std::move(*stored);
}

RunSettings run_settings(const Options& options, const Source& source) {
  RunSettings run;
  run.batch = options.protocol == Protocol::http && options.batch > 1 ? options.batch : 1;
  if (options.number)
    run.messages = *options.number;
  else if (options.duration == 0)
    run.messages = source.count() * run.batch;
  if (run.messages != 0) run.mails = (run.messages + run.batch - 1) / run.batch;
  run.duration = options.duration;
  run.rate = options.rate;
  run.connections = options.connections;
  run.per_connection = options.per_connection;
  run.named_stream = !options.stream.empty();
  run.retry = options.retry;
  run.timeout = options.timeout;
  run.patience = options.patience;
  return run;
}

// What the engines stand on.
struct Settings {
  SmtpSettings smtp;
  HttpSettings http;
  StreamSettings stream;
  std::string stream_name;
};

Settings engine_settings(const Options& options, const Secrets& secrets, const std::string& host) {
  const std::string server_host = options.server.host.empty() ? "localhost" : options.server.host;
  const std::string run = fmt::format("ec_inject-{:016x}", random_number());
  Settings made;
  made.smtp = {options.protocol == Protocol::lmtp,         options.starttls, options.pipelining, options.bdat,
               options.helo.empty() ? host : options.helo, options.user,     secrets.password,   server_host};
  made.http.api = options.api;
  made.http.host = options.server.path.empty() ? options.server.to_string() : "localhost";
  if (!options.user.empty())
    made.http.authorization = "Basic " + auth::to_base64(options.user + ':' + secrets.password);
  else if (!secrets.key.empty())
    made.http.authorization = "Bearer " + secrets.key;
  if (options.retry) made.http.key_prefix = run;
  made.stream = {options.helo.empty() ? host : options.helo, options.user, secrets.password, server_host,
                 options.batch};
  made.stream_name = options.stream.empty() ? run : options.stream;
  return made;
}

std::unique_ptr<Engine> make_engine(const Options& options, const Settings& settings, size_t number, EngineHost& host) {
  switch (options.protocol) {
    case Protocol::http:
      return std::make_unique<HttpEngine>(settings.http, host);
    case Protocol::ecstream: {
      const std::string name = number == 0 ? settings.stream_name : fmt::format("{}/{}", settings.stream_name, number);
      return std::make_unique<EcstreamEngine>(settings.stream, name, !options.stream.empty(), host);
    }
    case Protocol::smtp:
    case Protocol::lmtp:
      break;
  }
  return std::make_unique<SmtpEngine>(settings.smtp, host);
}

// Where the JSON goes; opened first, so that nothing is sent when it cannot be told,
// and emptied, so that the report of an earlier run is not taken for this one's.
Outcome<UniqueFd> open_report(const std::string& path) {
  if (path.empty() || path == "-") return UniqueFd();
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644));
  if (!fd) return fail_with(EX_CANTCREAT, fmt::format("{}: {}", escape_line(path), errno_text(errno)));
  return fd;
}

Outcome<> write_report(const Options& options, const Asked& asked, const RunResult& result, const UniqueFd& file) {
  if (!options.quiet) fmt::print(options.json == "-" ? stderr : stdout, "{}", report_text(asked, result));
  std::fflush(stdout);
  if (options.json.empty()) return {};
  const int fd = file ? file.get() : STDOUT_FILENO;
  if (auto written = write_all(fd, report_json(asked, result)); !written)
    return fail_with(EX_IOERR, written.error().message);
  return {};
}

Outcome<int> inject(Options& options) {
  if (!options.seed_given) options.envelope.seed = random_number();
  const std::string host = host_name();
  auto source = make_source(options, host);
  if (!source) return std::unexpected(source.error());
  const auto secrets = read_secrets(options);
  if (!secrets) return std::unexpected(secrets.error());
  const auto file = open_report(options.json);
  if (!file) return std::unexpected(file.error());
  const auto target = Target::resolve(options.server);
  if (!target) return std::unexpected(target.error());

  const Settings settings = engine_settings(options, *secrets, host);
  const LinkSettings links{&*target, options.tls_options, options.tls,
                           options.server.host.empty() ? "localhost" : options.server.host};
  // What comes behind the run is the report, which one more Ctrl-C must not take away.
  std::signal(SIGINT, SIG_IGN);
  console::Interrupt interrupt;
  if (interrupt.fd() < 0) std::signal(SIGINT, SIG_DFL);
  Progress progress(options.quiet ? -1 : STDERR_FILENO);
  Runner runner(
      run_settings(options, **source), links, **source,
      [&](size_t number, EngineHost& link) { return make_engine(options, settings, number, link); }, progress,
      interrupt.fd());
  const RunResult result = runner.run();

  Asked asked;
  asked.protocol = name_of(options.protocol);
  if (options.protocol == Protocol::http) asked.protocol += fmt::format(" {}", name_of(options.api));
  asked.server = options.server.to_string();
  asked.connections = options.connections;
  asked.seed = options.envelope.seed;
  asked.tls = options.tls ? "tls" : options.starttls ? "starttls" : "no";
  // Nothing happened: what is wrong says it all.
  if (result.failure && result.tally.accepted + result.tally.refused + result.tally.unknown == 0 &&
      options.json.empty())
    return std::unexpected(*result.failure);
  if (auto written = write_report(options, asked, result, *file); !written) return std::unexpected(written.error());
  if (result.failure) return std::unexpected(*result.failure);
  if (result.interrupted) return exit_interrupted;
  return all_accepted(result) ? EX_OK : exit_not_all;
}

int run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  auto options = read_options(argc, argv);
  Outcome<int> status = EX_OK;
  if (!options) {
    status = std::unexpected(options.error());
  } else if (options->mode == Options::Mode::help) {
    fmt::print("{}", usage_text);
  } else if (options->mode == Options::Mode::version) {
    fmt::print("ec_inject ({}) {}\n", PACKAGE_NAME, PACKAGE_VERSION);
  } else {
    status = inject(*options);
  }
  if (status) return *status;
  fmt::print(stderr, "ec_inject: {}\n", status.error().text);
  if (status.error().status == EX_USAGE) fmt::print(stderr, "ec_inject --help says more\n");
  return status.error().status;
}

}  // namespace
}  // namespace impulse::ecinject

int main(int argc, char** argv) { return impulse::ecinject::run(argc, argv); }
