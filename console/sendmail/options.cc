#include "console/sendmail/options.h"

#include "base/text.h"
#include "smtp/client_envelope.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <string_view>

namespace impulse::sendmail {

const char usage_text[] =
    "usage: ec_sendmail [OPTION ...] RECIPIENT ...\n"
    "       ec_sendmail -t [OPTION ...] [RECIPIENT ...]\n"
    "       ec_sendmail -bs [--server SERVER]\n"
    "Queues the message on standard input. Read ec_sendmail(1).\n"
    "  -t                 recipients from To, Cc and Bcc too; Bcc is taken out\n"
    "  -i, -oi            a line with only a dot does not end the message\n"
    "  -f, -r SENDER      envelope sender; '' or <> for none\n"
    "  -F NAME            full name for a From field that is missing\n"
    "  -N CONDITIONS      never, or some of success,failure,delay\n"
    "  -R full|hdrs       what comes back with a failure report\n"
    "  -V ENVID           envelope id for reports\n"
    "  -B 7BIT|8BITMIME   what the body is\n"
    "  -bs                SMTP on standard input and output\n"
    "  -v                 show the dialogue on standard error\n"
    "  --server SERVER    path of a Unix socket, or HOST:PORT\n"
    "  --domain NAME      for addresses without a domain\n"
    "  --help, --version\n";

namespace {

enum : int { server_option = 256, domain_option, help_option, version_option };

constexpr option long_options[] = {{"server", required_argument, nullptr, server_option},
                                   {"domain", required_argument, nullptr, domain_option},
                                   {"help", no_argument, nullptr, help_option},
                                   {"version", no_argument, nullptr, version_option},
                                   {nullptr, 0, nullptr, 0}};
// '+': what follows the first recipient is a recipient. ':': no word of getopt's own.
constexpr char short_options[] = "+:A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:q::r:tvx";

std::unexpected<Failure> usage(std::string text) { return fail_with(EX_USAGE, std::move(text)); }

std::unexpected<Failure> not_here(std::string_view what, std::string_view instead) {
  return fail_with(EX_UNAVAILABLE, fmt::format("{} is not done here; {}", what, instead));
}

std::unexpected<Failure> no_queue_list(std::string_view name) {
  return not_here(fmt::format("listing the queue ({})", name), "ask the server with ec_console(1)");
}
std::unexpected<Failure> no_aliases(std::string_view name) {
  return not_here(fmt::format("making an alias database ({})", name), "the server has none");
}

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; });
}

Outcome<uint8_t> read_notify(std::string_view text) {
  if (iequals(text, "never")) return message::notify::never;
  uint8_t bits = 0;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view word = trim(part);
    if (iequals(word, "success"))
      bits |= message::notify::success;
    else if (iequals(word, "failure"))
      bits |= message::notify::failure;
    else if (iequals(word, "delay"))
      bits |= message::notify::delay;
    else
      return usage("-N: never, or a list of success, failure and delay is expected");
  }
  return bits;
}

Outcome<> read_mode(std::string_view mode, Options& options) {
  if (mode == "m") {
    options.mode = Options::Mode::mail;
  } else if (mode == "s") {
    options.mode = Options::Mode::session;
  } else if (mode == "p") {
    return no_queue_list("-bp");
  } else if (mode == "i") {
    return no_aliases("-bi");
  } else if (mode == "d" || mode == "D" || mode == "l") {
    return not_here(fmt::format("running a server (-b{})", mode), "start impulsed(8)");
  } else if (mode == "v" || mode == "t") {
    return not_here(fmt::format("testing addresses (-b{})", mode), "send a message");
  } else if (mode == "h" || mode == "H") {
    return not_here(fmt::format("the host status database (-b{})", mode), "ask the server with ec_console(1)");
  } else {
    return usage(fmt::format("-b{}: no such mode", escape_line(mode)));
  }
  return {};
}

// -V: RFC 3461 §4.4 gives it 100 octets of xtext, made from printable ASCII.
Outcome<> read_envid(std::string_view text, Options& options) {
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  options.envid = smtp::encode_xtext(text);
  if (text.empty() || !printable || options.envid.size() > 100)
    return usage("-V: an envelope id of printable ASCII, at most 100 octets as xtext, is expected");
  return {};
}

Outcome<> read_option(int found, std::string_view value, Options& options) {
  switch (found) {
    case 't':
      options.from_header = true;
      return {};
    case 'i':
      options.ignore_dots = true;
      return {};
    case 'v':
      options.verbose = true;
      return {};
    case 'f':
    case 'r':
      options.sender = value;
      return {};
    case 'F':
      if (!is_plain(value)) return usage("-F: a name without control characters is expected");
      options.full_name = value;
      return {};
    case 'N': {
      const auto bits = read_notify(value);
      if (!bits) return std::unexpected(bits.error());
      options.notify = *bits;
      return {};
    }
    case 'R':
      if (iequals(value, "full"))
        options.ret = message::Ret::full;
      else if (iequals(value, "hdrs"))
        options.ret = message::Ret::hdrs;
      else
        return usage("-R: full or hdrs is expected");
      return {};
    case 'V':
      return read_envid(value, options);
    case 'B':
      if (iequals(value, "7BIT"))
        options.body = message::BodyType::seven_bit;
      else if (iequals(value, "8BITMIME"))
        options.body = message::BodyType::eight_bit_mime;
      else
        return usage("-B: 7BIT or 8BITMIME is expected");
      return {};
    case 'b':
      return read_mode(value, options);
    case 'o':
      if (value == "i") options.ignore_dots = true;
      return {};
    case 'I':
      return no_aliases("-I");
    case 'q':
      return not_here(fmt::format("running the queue (-q{})", escape_line(value)),
                      "the server does it by itself; see ec_console(1)");
    case 'C':
      return not_here("another configuration file (-C)", "name the server with --server");
    case 'X':
      return not_here("a traffic log or VERP (-X)", "-v shows the dialogue");
    case server_option:
      if (value.empty()) return usage("--server: a path or HOST:PORT is expected");
      options.server = value;
      return {};
    case domain_option:
      if (value.empty()) return usage("--domain: a domain is expected");
      options.domain = value;
      return {};
    case help_option:
      options.mode = Options::Mode::help;
      return {};
    case version_option:
      options.mode = Options::Mode::version;
      return {};
    default:
      // A G L O U c e h m n p x: of sendmail's own queue, rewriting and error
      // mail, which are the server's business here or are not at all. Programs
      // write them out of habit; Postfix passes over them too.
      return {};
  }
}

}  // namespace

Outcome<Options> read_options(int argc, char** argv) {
  std::string_view name = argc > 0 ? argv[0] : "ec_sendmail";
  if (const size_t slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  if (name == "mailq") return no_queue_list(name);
  if (name == "newaliases") return no_aliases(name);

  Options options;
  optind = 1;
  while (true) {
    const int index = optind;
    const int found = ::getopt_long(argc, argv, short_options, long_options, nullptr);
    if (found == -1) break;
    const std::string_view word = index < argc ? argv[index] : "";
    if (found == '?') {
      if (optopt > 0 && optopt < 256 && !word.starts_with("--"))
        return usage(fmt::format("no such option: -{}", escape_line(std::string(1, static_cast<char>(optopt)))));
      return usage(fmt::format("no such option: {}", escape_line(word)));
    }
    if (found == ':') return usage(fmt::format("{}: a value is expected", escape_line(word)));
    if (auto done = read_option(found, optarg == nullptr ? "" : optarg, options); !done)
      return std::unexpected(done.error());
    if (options.mode == Options::Mode::help || options.mode == Options::Mode::version) return options;
  }
  options.recipients.assign(argv + std::min(optind, argc), argv + argc);
  for (const std::string& recipient : options.recipients) {
    if (recipient.starts_with('-'))
      return usage(fmt::format("an option behind a recipient: {}", escape_line(recipient)));
  }
  if (options.mode == Options::Mode::session) {
    if (options.from_header || options.sender || !options.recipients.empty())
      return usage("-bs takes its sender and recipients from the SMTP session");
  } else if (options.recipients.empty() && !options.from_header) {
    return usage("no recipients: name them, or say -t");
  }
  return options;
}

}  // namespace impulse::sendmail
