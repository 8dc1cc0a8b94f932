// ClientSession: from the banner over EHLO and STARTTLS to readiness, and
// every way a session ends.
//
// A reply that comes while none is due makes the session unusable: either the
// server answers what it was not asked, or somebody put words into its mouth
// before TLS. Bytes behind the last reply due are therefore never looked at.
#include "smtp/client_session.h"

#include "base/text.h"
#include "smtp/client_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::smtp {

using telemetry::Stage;

// Around each call that may add to the output; calls may stand in one another (ready()).
class ClientSession::Impl::Count {
 public:
  Count(Impl& impl, const ClientOutput& out) : impl_(impl), out_(out) {
    if (impl_.calls++ == 0) impl_.counted = out.bytes.size();
  }
  ~Count() {
    impl_.count(out_);
    --impl_.calls;
  }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;

 private:
  Impl& impl_;
  const ClientOutput& out_;
};

ClientSession::ClientSession(ClientSettings settings, ClientTimeouts timeouts, ClientHost& host)
    : impl_(std::make_unique<Impl>(std::move(settings), timeouts, host)) {}
ClientSession::~ClientSession() = default;

void ClientSession::start(ClientOutput& out) {
  const Impl::Count count(*impl_, out);
  impl_->expected.push_back(Impl::Expect::banner);
  impl_->settle(out);
}

size_t ClientSession::feed(std::string_view bytes, ClientOutput& out, uint64_t unsent) {
  const Impl::Count count(*impl_, out);
  impl_->unsent = unsent;
  const uint64_t before = impl_->heard;
  const size_t used = impl_->feed(bytes, out);
  impl_->unsent = 0;
  impl_->settle(out);
  // Who waits for a reply waits for all of its lines.
  if (impl_->heard == before) out.deadline = Duration(0);
  return used;
}

void ClientSession::tls_started(ClientOutput& out, bool trusted) {
  const Impl::Count count(*impl_, out);
  if (impl_->rest == Impl::Rest::tls) {
    impl_->protection = {true, trusted, {}};
    impl_->offers = {};  // RFC 3207 §4.2
    impl_->greet(out);
  }
  impl_->settle(out);
}

void ClientSession::tls_failed(std::string_view why, ClientOutput& out) {
  const Impl::Count count(*impl_, out);
  impl_->close({0, escape_line("TLS handshake failed: " + std::string(why), 500)}, false, out);
  impl_->settle(out);
}

void ClientSession::send(const Job& job, ClientOutput& out) {
  const Impl::Count count(*impl_, out);
  impl_->send(job, out);
  impl_->settle(out);
}

void ClientSession::more(std::string_view piece, ClientOutput& out) {
  const Impl::Count count(*impl_, out);
  impl_->more(piece, out);
  impl_->settle(out);
  // The time that the server has for the body goes on.
  if (out.more) out.deadline = Duration(0);
}

void ClientSession::quit(ClientOutput& out) {
  const Impl::Count count(*impl_, out);
  if (impl_->expected.empty() && impl_->rest == Impl::Rest::idle) {
    impl_->command("QUIT", Impl::Expect::quit, out);
  } else if (impl_->expected.empty() || impl_->expected.front() != Impl::Expect::quit) {
    impl_->give_up({0, "session given up"});
  }
  impl_->settle(out);
}

void ClientSession::trace(telemetry::SessionTracePtr trace) { impl_->trace = std::move(trace); }

void ClientSession::lost(std::string_view why, uint64_t unsent) {
  impl_->unsent = unsent;
  impl_->end({0, escape_line(why, 500)});
}

Stage ClientSession::stage(uint64_t unsent) const { return impl_->stage(unsent == 0); }
uint64_t ClientSession::bytes() const { return impl_->sent; }

bool ClientSession::tls_active() const { return impl_->protection.tls; }
bool ClientSession::authenticated() const { return impl_->logged_in; }
const Protection& ClientSession::protection() const { return impl_->protection; }
const ClientOffers& ClientSession::offers() const { return impl_->offers; }

std::string_view ClientSession::state() const {
  static constexpr std::string_view waiting[] = {"banner", "ehlo", "helo", "starttls", "auth", "xclient",
                                                 "mail",   "rcpt", "data", "body",     "rset", "quit"};
  static constexpr std::string_view resting[] = {"fresh", "busy", "tls", "idle", "closed"};
  return impl_->expected.empty() ? resting[static_cast<size_t>(impl_->rest)]
                                 : waiting[static_cast<size_t>(impl_->expected.front())];
}

void ClientSession::Impl::count(const ClientOutput& out) {
  sent += out.bytes.size() - std::exchange(counted, out.bytes.size());
}

Stage ClientSession::Impl::stage(bool complete) const {
  if (expected.empty()) {
    switch (rest) {
      case Rest::fresh:
        return Stage::not_connected;
      case Rest::tls:
        return Stage::tls_handshake;
      case Rest::idle:
        return Stage::idle;
      case Rest::busy:
      case Rest::closed:
        break;
    }
    return Stage::unknown;
  }
  switch (expected.front()) {
    case Expect::banner:
      return Stage::banner;
    case Expect::ehlo:
    case Expect::helo:
      return complete ? Stage::after_ehlo : Stage::during_ehlo;
    case Expect::starttls:
      return complete ? Stage::after_starttls : Stage::during_starttls;
    case Expect::auth:
    case Expect::xclient:
      return complete ? Stage::after_ehlo : Stage::during_ehlo;
    case Expect::mail:
      return complete ? Stage::after_mail : Stage::during_mail;
    case Expect::rcpt:
      return complete ? Stage::after_rcpt : Stage::during_rcpt;
    case Expect::data:
      return complete ? Stage::after_data : Stage::during_data;
    case Expect::body:
      return complete && left == 0 ? Stage::confirmation : Stage::body;
    case Expect::rset:
      return complete ? Stage::after_rset : Stage::during_rset;
    case Expect::quit:
      break;
  }
  return Stage::idle;
}

size_t ClientSession::Impl::feed(std::string_view bytes, ClientOutput& out) {
  if (expected.empty() && (rest == Rest::tls || rest == Rest::fresh)) return 0;
  std::string_view left = bytes;
  while (!left.empty() && (!expected.empty() || rest == Rest::idle)) {
    const auto parsed = parser.take(left);
    if (!parser.error().empty()) {
      close({0, std::string(parser.error())}, false, out);
    } else if (!parsed) {
      break;
    } else if (expected.empty()) {
      // An idle server may say that it goes (421); nothing else is fit to be said.
      close({parsed->code, reply_text(*parsed)}, false, out);
    } else {
      surplus = expected.size() == 1 && !left.empty();
      handle(*parsed, out);
    }
  }
  return bytes.size();
}

void ClientSession::Impl::handle(const ParsedReply& parsed, ClientOutput& out) {
  ++heard;
  const Reply reply{parsed.code, reply_text(parsed), stage(), sent - std::min(sent, unsent)};
  if (trace)
    for (size_t i = 0; i < parsed.lines.size(); ++i)
      trace->received(fmt::format("{}{}{}", parsed.code, i + 1 < parsed.lines.size() ? '-' : ' ', parsed.lines[i]));
  const Expect expect = expected.front();
  if (reply.code == 421 && expect != Expect::quit) return close(reply, false, out);
  expected.pop_front();
  switch (expect) {
    case Expect::banner:
      after_banner(reply, out);
      break;
    case Expect::ehlo:
      after_ehlo(parsed, reply, out);
      break;
    case Expect::helo:
      after_helo(reply, out);
      break;
    case Expect::starttls:
      after_starttls(reply, out);
      break;
    case Expect::auth:
      after_auth(parsed, reply, out);
      break;
    case Expect::xclient:
      after_xclient(reply, out);
      break;
    case Expect::mail:
      after_mail(reply, out);
      break;
    case Expect::rcpt:
      after_rcpt(reply, out);
      break;
    case Expect::data:
      after_data(reply, out);
      break;
    case Expect::body:
      after_body(reply, out);
      break;
    case Expect::rset:
      after_rset(reply, out);
      break;
    case Expect::quit:
      rest = Rest::closed;
      break;
  }
}

void ClientSession::Impl::after_banner(const Reply& reply, ClientOutput& out) {
  if (reply.code != 220) return close(reply, true, out);
  greet(out);
}

// Behind XCLIENT it is the client that greets: a server may take its name from there, whatever HELO= said.
const std::string& ClientSession::Impl::greeting_name() const {
  if (!job || by_our_name || job->client.helo.empty()) return settings.ehlo_name;
  const bool fit = std::ranges::all_of(job->client.helo, [](char c) { return c > ' ' && c <= '~'; });
  return fit ? job->client.helo : settings.ehlo_name;
}

void ClientSession::Impl::greet(ClientOutput& out) {
  command((settings.lmtp ? "LHLO " : "EHLO ") + greeting_name(), Expect::ehlo, out);
}

void ClientSession::Impl::after_ehlo(const ParsedReply& parsed, const Reply& reply, ClientOutput& out) {
  if (reply.permanent() && !settings.lmtp) return command("HELO " + greeting_name(), Expect::helo, out);
  if (reply.code != 250) return not_greeted(reply, out);
  offers = read_offers(parsed);
  begin_use(out);
}

void ClientSession::Impl::after_helo(const Reply& reply, ClientOutput& out) {
  if (reply.code != 250) return not_greeted(reply, out);
  offers = {};
  begin_use(out);
}

// Behind XCLIENT it may be the client's name that is not liked, and never the message.
void ClientSession::Impl::not_greeted(const Reply& reply, ClientOutput& out) {
  if (!job || !reply.permanent()) return close(reply, true, out);
  if (greeting_name() == settings.ehlo_name)
    return close({0, fmt::format("the greeting behind XCLIENT was answered with {} {}", reply.code, reply.text)}, true,
                 out);
  by_our_name = true;
  greet(out);
}

void ClientSession::Impl::begin_use(ClientOutput& out) {
  if (job) return transact(out);                     // it was XCLIENT's
  if (!offers.starttls) protection.trouble.clear();  // it would not be there without that either
  if (!protection.tls && settings.tls != TlsUse::no && offers.starttls)
    return command("STARTTLS", Expect::starttls, out);
  if (!protection.tls && settings.tls == TlsUse::required) {
    return close({0, "TLS is required, and the server does not offer STARTTLS"}, true, out);
  }
  introduce(out);
}

void ClientSession::Impl::after_starttls(const Reply& reply, ClientOutput& out) {
  if (reply.code == 220) {
    // What came in the clear behind this reply must not be read as if it had come through TLS.
    if (surplus) return close({0, "bytes in the clear behind the reply to STARTTLS"}, false, out);
    rest = Rest::tls;
    return;
  }
  if (settings.tls == TlsUse::required || reply.code < 400) return close(reply, true, out);
  protection.trouble = fmt::format("STARTTLS was answered with {} {}", reply.code, reply.text);
  introduce(out);  // 454 and the like: go on in the clear
}

void ClientSession::Impl::after_rset(const Reply& reply, ClientOutput& out) {
  if (!reply.positive()) return close(reply, true, out);
  if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
  become_idle();
}

void ClientSession::Impl::become_idle() {
  if (rest == Rest::closed) return;  // job_done() called quit()
  rest = Rest::idle;
  ready_again = true;
  if (in_ready) return;
  // send() inside ready() can be over at once, again and again: a loop, not a recursion.
  in_ready = true;
  while (std::exchange(ready_again, false) && rest == Rest::idle && expected.empty()) host.ready();
  in_ready = false;
}

void ClientSession::Impl::command(std::string_view command, std::string_view shown, Expect reply, ClientOutput& out) {
  if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
  if (trace) trace->sent(shown);
  out.bytes += command;
  out.bytes += "\r\n";
  expected.push_back(reply);
}

void ClientSession::Impl::close(const Reply& reason, bool quit, ClientOutput& out) {
  if (quit && !surplus) {
    if (trace) trace->sent("QUIT");
    out.bytes += "QUIT\r\n";
  }
  end(reason);
}

void ClientSession::Impl::end(const Reply& reason) {
  const bool over = rest == Rest::closed || (!expected.empty() && expected.front() == Expect::quit);
  const bool tell = !job && !over;
  Reply told = reason;
  if (told.stage == Stage::unknown) {
    told.stage = stage(unsent == 0);
    told.bytes = sent - std::min(sent, unsent);
  }
  give_up(told);
  if (tell) host.failed(told);
}

void ClientSession::Impl::give_up(const Reply& reason) {
  expected.clear();
  left = 0;
  rest = Rest::closed;
  if (!job) return;
  Reply answer = mail_refusal.value_or(reason);
  if (answer.code < 400) answer.code = 0;  // whatever it was an answer to, it was not the message
  settle_recipients(Fate::accepted, answer);
  settle_recipients(Fate::unasked, answer);
  end_job();
}

void ClientSession::Impl::settle(ClientOutput& out) const {
  out.deadline = Duration(0);
  out.more = left > 0;
  if (expected.empty()) {
    out.next = rest == Rest::closed ? ClientNext::close
               : rest == Rest::tls  ? ClientNext::start_tls
               : rest == Rest::idle ? ClientNext::idle
                                    : ClientNext::read;
    return;
  }
  out.next = ClientNext::read;
  switch (expected.front()) {
    case Expect::banner:
      out.deadline = timeouts.banner;
      break;
    case Expect::ehlo:
    case Expect::helo:
    case Expect::starttls:
    case Expect::auth:
    case Expect::xclient:
      out.deadline = timeouts.ehlo;
      break;
    case Expect::mail:
      out.deadline = timeouts.mail;
      break;
    case Expect::rcpt:
      out.deadline = timeouts.rcpt;
      break;
    case Expect::data:
      out.deadline = timeouts.data;
      break;
    case Expect::body:
      out.deadline = timeouts.body;
      break;
    case Expect::rset:
    case Expect::quit:
      out.deadline = timeouts.rset;
      break;
  }
}

}  // namespace impulse::smtp
