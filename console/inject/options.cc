#include "console/inject/options.h"

#include "base/text.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <span>
#include <vector>

namespace impulse::ecinject {

const char usage_text[] =
    "usage: ec_inject [OPTION ...] SERVER [FILE ...]\n"
    "Sends messages to SERVER (HOST:PORT, [V6]:PORT, or a Unix socket's path). Read ec_inject(1).\n"
    "What goes (generated messages unless something is named):\n"
    "  FILE ...                   a message each; - is standard input\n"
    "  --mbox FILE                all messages of an mbox; --quoting mboxrd|mboxo|none\n"
    "  --maildir FOLDER           all messages of a Maildir\n"
    "  -s, --size SIZES           10k; 1k-100k; lognormal:8k:1.2; 1k:80,10k:15,100k:5\n"
    "  -f, --from ADDRESS         \"\" is the null sender\n"
    "  -t, --to ADDRESS           may hold {random} {domain} {message} {recipient}, as --from\n"
    "  --domains NAME[:WEIGHT],.. for {domain}\n"
    "  --users N                  {random} is below it\n"
    "  --recipients COUNTS        of a message; written as SIZES\n"
    "  --seed N                   the same messages again\n"
    "How much, how fast:\n"
    "  -n, --number N             messages\n"
    "  -d, --duration TIME        30, 500ms, 2m\n"
    "  -r, --rate N               messages a second\n"
    "  -c, --connections N        at a time\n"
    "  --per-connection N         messages, then a new connection\n"
    "How:\n"
    "  -p, --protocol NAME        smtp (the default), lmtp, http, ecstream\n"
    "  --tls, --starttls          --ca FILE, --tls-name NAME, --no-verify, --cert FILE, --key FILE\n"
    "  -u, --user NAME            the password: EC_INJECT_PASSWORD, --password-file FILE, or asked for\n"
    "  --api-key-file FILE        HTTP; or EC_INJECT_API_KEY\n"
    "  --helo NAME                what this client calls itself\n"
    "  --no-pipelining, --bdat    SMTP, LMTP\n"
    "  --api NAME                 HTTP: messages (the default), transmissions, inject\n"
    "  -b, --batch N              recipients of a HTTP request; messages behind which ECStream flushes\n"
    "  --stream NAME              ECStream: goes on where a run of that name was broken off\n"
    "  --retry                    sends again what may not have arrived\n"
    "  --timeout TIME             for an answer\n"
    "  --patience TIME            without a connection\n"
    "What is told:\n"
    "  --json FILE                a report; - is standard output\n"
    "  -q, --quiet                no report for people, no progress\n"
    "  --help, --version\n";

std::string_view name_of(Protocol protocol) {
  constexpr std::array<std::string_view, 4> names{"smtp", "lmtp", "http", "ecstream"};
  return names[static_cast<size_t>(protocol)];
}

std::string_view name_of(Api api) {
  constexpr std::array<std::string_view, 3> names{"messages", "transmissions", "inject"};
  return names[static_cast<size_t>(api)];
}

Result<double> parse_seconds(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  const double scale = unit.empty() || unit == "s" ? 1
                       : unit == "ms"              ? 0.001
                       : unit == "m"               ? 60
                       : unit == "h"               ? 3600
                                                   : 0;
  value *= scale;
  if (error != std::errc() || scale == 0 || !(value > 0) || value > 1e9)
    return fail(Errc::invalid, "a time such as 10, 500ms or 2m is expected, not '{}'", escape_line(text, 64));
  return value;
}

namespace {

constexpr uint64_t largest_message = uint64_t{1} << 30;
constexpr uint64_t most_recipients = 100'000;
constexpr uint64_t most_connections = 10'000;

std::unexpected<Failure> usage(std::string text) { return fail_with(EX_USAGE, std::move(text)); }

struct Reader {
  Options options;
  std::string from = "ec_inject@{domain}";
  std::string to = "user{random}@{domain}";
  // What has a meaning with some protocols only, and was given.
  std::vector<std::string_view> smtp_only;
  std::vector<std::string_view> http_only;
  std::vector<std::string_view> stream_only;
  std::vector<std::string_view> generated_only;
  std::vector<std::string_view> tls_only;
  bool quoting_given = false;
};

using Setter = Result<> (*)(Reader& reader, std::string_view value);
struct Row {
  const char* name;
  char letter;  // 0: none
  bool has_value;
  Setter set;
};

Result<uint64_t> count(std::string_view value, uint64_t most = UINT64_MAX) {
  const auto number = parse_unsigned(value, most);
  if (!number || *number == 0)
    return fail(Errc::invalid, "a number from 1{} is expected, not '{}'",
                most == UINT64_MAX ? "" : fmt::format(" to {}", most), escape_line(value, 64));
  return number;
}

// Puts a parsed value where it belongs.
template <class To, class From>
Result<> keep(To& to, Result<From> value) {
  if (!value) return std::unexpected(std::move(value.error()));
  to = std::move(*value);
  return {};
}

Result<> keep_text(std::string& to, std::string_view value) {
  if (value.empty()) return fail(Errc::invalid, "must not be empty");
  to = value;
  return {};
}

Result<> set_protocol(Reader& reader, std::string_view value) {
  for (const Protocol each : {Protocol::smtp, Protocol::lmtp, Protocol::http, Protocol::ecstream})
    if (value == name_of(each)) {
      reader.options.protocol = each;
      return {};
    }
  return fail(Errc::invalid, "smtp, lmtp, http or ecstream is expected, not '{}'", escape_line(value, 64));
}

Result<> set_api(Reader& reader, std::string_view value) {
  reader.http_only.push_back("--api");
  for (const Api each : {Api::messages, Api::transmissions, Api::inject})
    if (value == name_of(each)) {
      reader.options.api = each;
      return {};
    }
  return fail(Errc::invalid, "messages, transmissions or inject is expected, not '{}'", escape_line(value, 64));
}

Result<> set_rate(Reader& reader, std::string_view value) {
  double rate = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), rate, std::chars_format::fixed);
  if (error != std::errc() || end != value.data() + value.size() || !(rate > 0) || rate > 1e9)
    return fail(Errc::invalid, "a number above 0 is expected, not '{}'", escape_line(value, 64));
  reader.options.rate = rate;
  return {};
}

Result<> set_helo(Reader& reader, std::string_view value) {
  for (const unsigned char c : value)
    if (c <= ' ' || c >= 0x7F) return fail(Errc::invalid, "'{}' is no name", escape_line(value, 64));
  return keep_text(reader.options.helo, value);
}

Result<> set_stream(Reader& reader, std::string_view value) {
  reader.stream_only.push_back("--stream");
  if (value.empty() || value.size() > 56 || std::ranges::any_of(value, [](char c) { return c <= ' ' || c > '~'; }))
    return fail(Errc::invalid, "1 to 56 visible ASCII characters are expected");
  reader.options.stream = value;
  return {};
}

constexpr std::array rows{
    Row{"protocol", 'p', true, set_protocol},
    Row{"number", 'n', true, [](Reader& r, std::string_view v) { return keep(r.options.number, count(v)); }},
    Row{"duration", 'd', true,
        [](Reader& r, std::string_view v) { return keep(r.options.duration, parse_seconds(v)); }},
    Row{"rate", 'r', true, set_rate},
    Row{"connections", 'c', true,
        [](Reader& r, std::string_view v) { return keep(r.options.connections, count(v, most_connections)); }},
    Row{"per-connection", 0, true,
        [](Reader& r, std::string_view v) { return keep(r.options.per_connection, count(v)); }},
    Row{"batch", 'b', true,
        [](Reader& r, std::string_view v) { return keep(r.options.batch, count(v, most_recipients)); }},
    Row{"size", 's', true,
        [](Reader& r, std::string_view v) {
          r.generated_only.push_back("--size");
          return keep(r.options.sizes, Distribution::parse(v, 1, largest_message));
        }},
    Row{"from", 'f', true,
        [](Reader& r, std::string_view v) {
          r.from = v == "<>" ? "" : v;
          return Result<>();
        }},
    Row{"to", 't', true, [](Reader& r, std::string_view v) { return keep_text(r.to, v); }},
    Row{"domains", 0, true, [](Reader& r, std::string_view v) { return parse_domains(v, r.options.envelope.naming); }},
    Row{"users", 0, true,
        [](Reader& r, std::string_view v) { return keep(r.options.envelope.naming.users, count(v)); }},
    Row{"recipients", 0, true,
        [](Reader& r, std::string_view v) {
          return keep(r.options.envelope.recipients, Distribution::parse(v, 1, most_recipients));
        }},
    Row{"seed", 0, true,
        [](Reader& r, std::string_view v) {
          r.options.seed_given = true;
          return keep(r.options.envelope.seed, parse_unsigned(v));
        }},
    Row{"mbox", 0, true,
        [](Reader& r, std::string_view v) { return keep_text(r.options.places.mboxes.emplace_back(), v); }},
    Row{"quoting", 0, true,
        [](Reader& r, std::string_view v) {
          r.quoting_given = true;
          return keep(r.options.places.quoting, parse_quoting(v));
        }},
    Row{"maildir", 0, true,
        [](Reader& r, std::string_view v) { return keep_text(r.options.places.maildirs.emplace_back(), v); }},
    Row{"tls", 0, false,
        [](Reader& r, std::string_view) {
          r.options.tls = true;
          return Result<>();
        }},
    Row{"starttls", 0, false,
        [](Reader& r, std::string_view) {
          r.smtp_only.push_back("--starttls");
          r.options.starttls = true;
          return Result<>();
        }},
    Row{"ca", 0, true,
        [](Reader& r, std::string_view v) {
          r.tls_only.push_back("--ca");
          return keep_text(r.options.tls_options.ca, v);
        }},
    Row{"tls-name", 0, true,
        [](Reader& r, std::string_view v) {
          r.tls_only.push_back("--tls-name");
          return keep_text(r.options.tls_options.name, v);
        }},
    Row{"cert", 0, true,
        [](Reader& r, std::string_view v) {
          r.tls_only.push_back("--cert");
          return keep_text(r.options.tls_options.certificate, v);
        }},
    Row{"key", 0, true,
        [](Reader& r, std::string_view v) {
          r.tls_only.push_back("--key");
          return keep_text(r.options.tls_options.key, v);
        }},
    Row{"no-verify", 0, false,
        [](Reader& r, std::string_view) {
          r.tls_only.push_back("--no-verify");
          r.options.tls_options.verify = false;
          return Result<>();
        }},
    Row{"user", 'u', true, [](Reader& r, std::string_view v) { return keep_text(r.options.user, v); }},
    Row{"password-file", 0, true, [](Reader& r, std::string_view v) { return keep_text(r.options.password_file, v); }},
    Row{"api-key-file", 0, true,
        [](Reader& r, std::string_view v) {
          r.http_only.push_back("--api-key-file");
          return keep_text(r.options.key_file, v);
        }},
    Row{"helo", 0, true, set_helo},
    Row{"no-pipelining", 0, false,
        [](Reader& r, std::string_view) {
          r.smtp_only.push_back("--no-pipelining");
          r.options.pipelining = false;
          return Result<>();
        }},
    Row{"bdat", 0, false,
        [](Reader& r, std::string_view) {
          r.smtp_only.push_back("--bdat");
          r.options.bdat = true;
          return Result<>();
        }},
    Row{"api", 0, true, set_api},
    Row{"stream", 0, true, set_stream},
    Row{"retry", 0, false,
        [](Reader& r, std::string_view) {
          r.options.retry = true;
          return Result<>();
        }},
    Row{"timeout", 0, true, [](Reader& r, std::string_view v) { return keep(r.options.timeout, parse_seconds(v)); }},
    Row{"patience", 0, true, [](Reader& r, std::string_view v) { return keep(r.options.patience, parse_seconds(v)); }},
    Row{"json", 0, true, [](Reader& r, std::string_view v) { return keep_text(r.options.json, v); }},
    Row{"quiet", 'q', false,
        [](Reader& r, std::string_view) {
          r.options.quiet = true;
          return Result<>();
        }},
    Row{"help", 'h', false,
        [](Reader& r, std::string_view) {
          r.options.mode = Options::Mode::help;
          return Result<>();
        }},
    Row{"version", 'V', false,
        [](Reader& r, std::string_view) {
          r.options.mode = Options::Mode::version;
          return Result<>();
        }},
};
constexpr int first_row = 256;  // of getopt's values

// What does not go together.
Outcome<> check_together(const Reader& reader) {
  const Options& options = reader.options;
  const bool smtp = options.protocol == Protocol::smtp || options.protocol == Protocol::lmtp;
  const auto refuse = [](const std::vector<std::string_view>& given, bool fits, std::string_view where) -> Outcome<> {
    if (fits || given.empty()) return {};
    return usage(fmt::format("{} {}", given.front(), where));
  };
  Outcome<> done = refuse(reader.smtp_only, smtp, "is for SMTP and LMTP");
  if (done) done = refuse(reader.http_only, options.protocol == Protocol::http, "is for HTTP");
  if (done) done = refuse(reader.stream_only, options.protocol == Protocol::ecstream, "is for ECStream");
  if (done) done = refuse(reader.generated_only, options.generated, "is for generated messages");
  if (done) done = refuse(reader.tls_only, options.tls || options.starttls, "says nothing without --tls or --starttls");
  if (!done) return done;
  if (options.tls && options.starttls) return usage("--tls or --starttls, not both");
  if (!options.tls_options.key.empty() && options.tls_options.certificate.empty()) return usage("--key needs --cert");
  if (!options.tls_options.ca.empty() && !options.tls_options.verify) return usage("--ca or --no-verify, not both");
  if (reader.quoting_given && options.places.mboxes.empty()) return usage("--quoting is for --mbox");
  if (!options.helo.empty() && options.protocol == Protocol::http) return usage("--helo says nothing with HTTP");
  if (options.batch != 0 && smtp) return usage("--batch is for HTTP and ECStream");
  if (options.protocol == Protocol::http) {
    if (options.api == Api::messages && options.batch != 0)
      return usage("--batch is for --api transmissions and --api inject");
    // Each recipient gets a message there, and messages are what is counted.
    if (options.api != Api::messages && options.envelope.recipients.largest() != 1)
      return usage("--recipients is for --api messages; --batch says how many a request has");
  }
  if (options.retry && options.protocol == Protocol::ecstream)
    return usage("--retry says nothing with ECStream, which always goes on where it was");
  if (!options.password_file.empty() && options.user.empty()) return usage("--password-file needs --user");
  if (!options.user.empty() && !options.key_file.empty()) return usage("--user or --api-key-file, not both");
  if (!options.stream.empty()) {
    if (!options.number && options.duration > 0) return usage("--stream needs --number: how far it goes");
    if (!options.seed_given && options.generated)
      return usage("--stream needs --seed, so that the messages that are left are the same ones");
  }
  return {};
}

Outcome<> read_operands(std::span<char* const> operands, Reader& reader) {
  Options& options = reader.options;
  if (operands.empty()) return usage("a server is expected: HOST:PORT, [V6]:PORT or a socket's path");
  auto server = console::parse_address(operands.front());
  if (!server) return usage(fmt::format("no server: {}", server.error().message));
  if (!server->user.empty()) {
    if (!options.user.empty()) return usage("the user stands in --user and in front of the server");
    options.user = server->user;
  }
  options.server = std::move(*server);
  for (const char* file : operands.subspan(1)) {
    if (*file == '\0') return usage("the name of a file is empty");
    options.places.files.emplace_back(file);
  }
  const auto& places = options.places;
  options.generated = places.files.empty() && places.mboxes.empty() && places.maildirs.empty();
  const auto inputs = std::ranges::count(places.files, "-") + std::ranges::count(places.mboxes, "-");
  if (inputs > 1) return usage("standard input (-) can be read once");
  return {};
}

}  // namespace

Outcome<Options> read_options(int argc, char** argv) {
  Reader reader;
  Options& options = reader.options;
  std::vector<option> long_options;
  std::string short_options = ":";
  for (size_t i = 0; i < rows.size(); ++i) {
    const int value = rows[i].has_value ? required_argument : no_argument;
    long_options.push_back({rows[i].name, value, nullptr, first_row + static_cast<int>(i)});
    if (rows[i].letter == 0) continue;
    short_options += rows[i].letter;
    if (rows[i].has_value) short_options += ':';
  }
  long_options.push_back({});
  optind = 0;  // GNU: begin anew, wherever an earlier call stopped
  while (true) {
    const int index = optind == 0 ? 1 : optind;
    const int found = ::getopt_long(argc, argv, short_options.c_str(), long_options.data(), nullptr);
    if (found == -1) break;
    const std::string_view word = index < argc ? argv[index] : "";
    if (found == '?')
      return usage(fmt::format("no such option: {}", escape_line(optind > 0 ? argv[optind - 1] : word)));
    if (found == ':') return usage(fmt::format("{}: a value is expected", escape_line(argv[optind - 1])));
    const auto row = found >= first_row ? rows.begin() + (found - first_row)
                                        : std::ranges::find(rows, static_cast<char>(found), &Row::letter);
    if (auto done = row->set(reader, optarg == nullptr ? "" : optarg); !done)
      return usage(fmt::format("--{}: {}", row->name, done.error().message));
    if (options.mode != Options::Mode::run) return options;
  }
  const size_t first = static_cast<size_t>(std::min(optind, argc));
  if (auto done = read_operands(std::span(argv, static_cast<size_t>(argc)).subspan(first), reader); !done)
    return std::unexpected(done.error());
  if (auto done = check_together(reader); !done) return std::unexpected(done.error());

  options.tls_options.enabled = options.tls || options.starttls;
  Naming& naming = options.envelope.naming;
  if (naming.domains.empty()) {
    naming.domains.emplace_back("example.com");
    naming.weights.add(1);
  }
  auto sender = AddressPattern::parse(reader.from);
  if (!sender) return usage("--from: " + sender.error().message);
  auto recipient = AddressPattern::parse(reader.to);
  if (!recipient) return usage("--to: " + recipient.error().message);
  options.envelope.sender = std::move(*sender);
  options.envelope.recipient = std::move(*recipient);
  if (options.batch > 1 && options.protocol == Protocol::http)
    options.envelope.recipients = Distribution::fixed(options.batch);
  if (!options.number && options.duration == 0 && options.generated) options.number = 1;
  return options;
}

}  // namespace impulse::ecinject
