#include "smtp/server_session.h"

#include "smtp/server_impl.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::smtp {

namespace {

// The longest delay of one call, unless Error_Delay alone is longer: a client
// that pipelines errors shall wait, not keep its session for hours by it.
constexpr std::chrono::seconds longest_delay{60};
// What a denied client has in all, to read why and to say QUIT.
constexpr std::chrono::seconds denied_time{10};

// The line that it was taken from.
std::string_view whole(const Command& command) {
  if (command.arguments.empty()) return command.name;
  const char* const begin = command.name.data();
  return {begin, static_cast<size_t>(command.arguments.data() - begin) + command.arguments.size()};
}

}  // namespace

void ServerSession::Impl::begin(Output& out) {
  out_ = &out;
  traced_ = out.reply.size();
  out.delay = Duration(0);
  out.restart_deadline = false;
}

void ServerSession::Impl::finish() {
  if (trace_ && out_->reply.size() > traced_) trace_->sent(std::string_view(out_->reply).substr(traced_));
  switch (phase_) {
    case Phase::command:
    case Phase::auth:
      out_->next = Next::read;
      out_->waiting = spoken_ ? Waiting::command : Waiting::greeting;
      break;
    case Phase::data:
    case Phase::chunk:
      out_->next = Next::read;
      out_->waiting = Waiting::data;
      break;
    case Phase::submit:
      out_->next = Next::submit;
      out_->waiting = Waiting::submit;
      break;
    case Phase::tls:
      out_->next = Next::start_tls;
      out_->waiting = Waiting::tls;
      break;
    case Phase::closed:
      out_->next = Next::close;
      break;
  }
  if (denied_) {  // waits for one thing only, from start() on
    out_->waiting = Waiting::greeting;
    out_->restart_deadline = std::exchange(denial_begins_, false);
  }
  out_ = nullptr;
}

void ServerSession::Impl::close() {
  if (transaction_.open && phase_ != Phase::submit) host_.abandoned();
  phase_ = Phase::closed;
  transaction_ = {};
  data_ = {};
  chunk_ = {};
  login_.cancel();
  lines_.reset();
}

void ServerSession::Impl::drop_transaction() {
  if (transaction_.open) host_.abandoned();
  transaction_ = {};
  data_ = {};
}

void ServerSession::Impl::forget() {
  greeting_ = Greeting::none;
  helo_.clear();
  drop_transaction();
  login_.forget();
  set_context_.clear();
  lines_.reset();
}

void ServerSession::Impl::say(const ServerReply& reply, std::string_view text) {
  append_reply_line(out_->reply, reply.code, policy_->enhanced_status_codes ? reply.enhanced : "", text);
  out_->restart_deadline = true;
}

void ServerSession::Impl::say_closing(std::string_view text) {
  const CodedText coded = split_enhanced(text);
  say({421, coded.enhanced.empty() ? "4.3.2" : coded.enhanced, coded.text});
  close();
}

void ServerSession::Impl::note(const ServerReply& reply, std::string_view cause, std::string_view text) {
  Refusal refusal;
  refusal.code = reply.code;
  refusal.cause = cause;
  refusal.text = fmt::format("{}{}{}", reply.enhanced, reply.enhanced.empty() ? "" : " ", text);
  refusal.command = path_command_;
  refusal.in_transaction = transaction_.open;
  refusal.sender = transaction_.sender;
  if (!transaction_.recipients.empty()) refusal.recipient = transaction_.recipients.back().address;
  host_.refused(refusal);
}

// False: it was one too many, and the session ended.
bool ServerSession::Impl::count_error() {
  ++errors_;
  if (policy_->max_errors != 0 && errors_ > policy_->max_errors) {
    note(reply::too_many_errors, "errors", reply::too_many_errors.text);
    say(reply::too_many_errors);
    close();
    return false;
  }
  // The time of a client that is denied is short, and not made longer by its errors.
  if (errors_ > policy_->max_errors / 2 && !denied_) {
    const Duration each = policy_->error_delay;
    out_->delay = std::min(out_->delay + each, std::max<Duration>(each, longest_delay));
  }
  return true;
}

void ServerSession::Impl::refuse(const ServerReply& reply, std::string_view cause, std::string_view text) {
  if (reply.code >= 500 && !count_error()) return;
  note(reply, cause, text);
  say(reply, text);
}

void ServerSession::Impl::refuse(const HostRefusal& refusal) {
  const ServerReply reply{refusal.code, refusal.enhanced, refusal.text};
  if (refusal.code != 421) return refuse(reply, refusal.cause);
  note(reply, refusal.cause, refusal.text);
  say(reply);
  close();
}

bool ServerSession::Impl::safe_point() {
  Result<std::shared_ptr<const Policy>> next = host_.safe_point();
  if (!next) {
    say_closing(next.error().message);
    return false;
  }
  if (*next != nullptr) policy_ = std::move(*next);
  return true;
}

bool ServerSession::Impl::tls_missing() {
  if (!policy_->tls_required || tls_) return false;
  refuse(reply::tls_first, "tls_required");
  return true;
}

bool ServerSession::Impl::not_ready() {
  if (tls_missing()) return true;
  if (!policy_->auth_required || login_.known(*policy_)) return false;
  refuse(reply::authenticate_first, "auth_required");
  return true;
}

bool ServerSession::Impl::plain(const Command& command) {
  if (without_trailing_whitespace(command.arguments).empty()) return true;
  refuse(reply::no_arguments, "syntax");
  return false;
}

// A session that was asked to end does so as soon as nobody is hurt.
void ServerSession::Impl::end_if_asked() {
  if (shut_down_ && phase_ == Phase::command && !transaction_.open) say_closing(*shut_down_);
}

size_t ServerSession::Impl::feed(std::string_view bytes) {
  size_t used = 0;
  // Replies may be many times the size of the commands: those of one call are bounded.
  while (used < bytes.size() && out_->reply.size() <= reply_limit) {
    const std::string_view rest = bytes.substr(used);
    if (phase_ == Phase::command || phase_ == Phase::auth)
      used += take_line(rest);
    else if (phase_ == Phase::data)
      used += feed_data(rest);
    else if (phase_ == Phase::chunk)
      used += feed_chunk(rest);
    else
      break;
  }
  return phase_ == Phase::closed ? bytes.size() : used;
}

// RFC 4954 §4: 12288 octets for what belongs to an authentication.
size_t ServerSession::Impl::line_limit(std::string_view bytes) const {
  constexpr size_t in_auth = 12288;
  const size_t limit = policy_->max_command_length;
  if (limit >= in_auth) return limit;
  const bool auth = phase_ == Phase::auth || lines_.begins_with("AUTH ", bytes);
  return auth ? in_auth : limit;
}

size_t ServerSession::Impl::take_line(std::string_view bytes) {
  const bool begun = lines_.in_line();
  octets_follow_ = (begun && octets_follow_) || lines_.begins_with("BDAT ", bytes);
  const LineReader::Result read = lines_.feed(bytes, line_limit(bytes));
  if (read.event == LineReader::Event::more) {
    if (!begun && spoken_) out_->restart_deadline = true;  // from Idle_Time to Command_Timeout
    return read.used;
  }
  spoken_ = true;
  if (trace_) trace_line(read);
  size_t used = read.used;
  if (phase_ == Phase::auth && read.event != LineReader::Event::lone_lf) {
    on_auth_line(read);
    end_if_asked();
    return used;
  }
  switch (read.event) {
    case LineReader::Event::line: {
      const std::string_view behind = bytes.substr(used);
      run(parse_command(read.line), read.ended_in_lf, behind);
      if (phase_ == Phase::tls) used = bytes.size();  // what was behind STARTTLS is gone
      break;
    }
    case LineReader::Event::too_long:
      if (octets_follow_)
        refuse_chunk_size();  // nobody has read it
      else
        refuse(reply::line_too_long, "command_length");
      break;
    case LineReader::Event::lone_lf:
      note(reply::lone_lf_command, "lone_lf_command", reply::lone_lf_command.text);
      say(reply::lone_lf_command);
      close();
      break;
    case LineReader::Event::more:
      break;
  }
  end_if_asked();
  return used;
}

// What follows AUTH may be a secret whatever we answered: clients send it
// without waiting. A command that we know ends that.
void ServerSession::Impl::trace_line(const LineReader::Result& read) {
  if (read.event != LineReader::Event::line) return trace_->note("a line that is not one, or is too long");
  if (phase_ == Phase::auth) return trace_->received("(masked)");
  const Command command = parse_command(read.line);
  if (iequals(command.name, "AUTH")) {
    secrets_ = true;
    trace_->received(fmt::format("AUTH {}(masked)", words(command.arguments).size() > 1 ? "… " : ""));
  } else if (command.verb != Verb::unknown && command.verb != Verb::empty) {
    secrets_ = false;
    trace_->received(read.line);
  } else {
    trace_->received(secrets_ ? "(masked)" : read.line);
  }
}

void ServerSession::Impl::run(const Command& command, bool ended_in_lf, std::string_view behind) {
  if (command.verb == Verb::mail || command.verb == Verb::rcpt) path_command_ = whole(command);
  answer(command, ended_in_lf, behind);
  path_command_ = {};
}

void ServerSession::Impl::answer(const Command& command, bool ended_in_lf, std::string_view behind) {
  if (denied_ && command.verb != Verb::quit && command.verb != Verb::bdat) {
    refuse(reply::denied_session, "denied");
    return;
  }
  const bool printable = !has_control(command.name) && !has_control(command.arguments);
  // Octets follow, as many as nobody can tell.
  if (command.verb == Verb::bdat && !(printable && is_ascii(command.arguments))) return refuse_chunk_size();
  if (!printable) {
    refuse(reply::bad_bytes, "syntax");
    return;
  }
  // In an address other bytes have an answer of their own.
  if (command.verb != Verb::mail && command.verb != Verb::rcpt && command.verb != Verb::helo &&
      command.verb != Verb::ehlo && command.verb != Verb::lhlo &&
      !(command.verb == Verb::vrfy && policy_->smtputf8 && is_utf8(command.arguments)) &&
      !(is_ascii(command.name) && is_ascii(command.arguments))) {
    refuse(reply::bad_bytes, "syntax");
    return;
  }
  dispatch(command, ended_in_lf, behind);
}

void ServerSession::Impl::dispatch(const Command& command, bool ended_in_lf, std::string_view behind) {
  switch (command.verb) {
    case Verb::helo:
      return on_greeting(command, Greeting::helo);
    case Verb::ehlo:
      return on_greeting(command, Greeting::ehlo);
    case Verb::mail:
      return on_mail(command);
    case Verb::rcpt:
      return on_rcpt(command);
    case Verb::data:
      return on_data(command, ended_in_lf);
    case Verb::rset:
      return on_rset(command);
    case Verb::noop:
      return on_noop();
    case Verb::vrfy:
      return on_vrfy(command);
    case Verb::help:
      return on_help();
    case Verb::quit:
      return on_quit(command);
    case Verb::starttls:
      return on_starttls(command, behind);
    case Verb::lhlo:
      return on_greeting(command, Greeting::ehlo);
    case Verb::bdat:
      return on_bdat(command, ended_in_lf);
    case Verb::auth:
      return on_auth(command);
    case Verb::xclient:
      return on_xclient(command);
    case Verb::xremoteip:
      return on_xremoteip(command);
    case Verb::xsetcontext:
      return on_xsetcontext(command);
    case Verb::xdumpcontext:
      return on_xdumpcontext(command);
    case Verb::unavailable:
      return refuse(reply::not_available, "syntax");
    case Verb::http:
      note(reply::not_http, "http", reply::not_http.text);
      say(reply::not_http);
      return close();
    case Verb::unknown:
      return refuse(reply::unknown_command, "syntax");
    case Verb::empty:
      return refuse(reply::empty_command, "syntax");
  }
}

ServerSession::ServerSession(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host)
    : impl_(std::make_unique<Impl>(std::move(policy), std::move(client), host)) {}

ServerSession::~ServerSession() = default;

void ServerSession::start(std::optional<TlsState> tls, Output& out) {
  impl_->begin(out);
  impl_->tls_ = std::move(tls);
  if (impl_->policy_->deny) {
    impl_->deny();
  } else {
    impl_->login_.take_identity(impl_->scene());
    impl_->say({220, "", impl_->policy_->banner});
  }
  impl_->finish();
  out.restart_deadline = true;
}

void ServerSession::turn_away(const HostRefusal& refusal, Output& out) {
  impl_->begin(out);
  const ServerReply reply{refusal.code, refusal.enhanced, refusal.text};
  impl_->note(reply, refusal.cause, refusal.text);
  impl_->say(reply);
  impl_->close();
  impl_->finish();
}

size_t ServerSession::feed(std::string_view bytes, Output& out) {
  impl_->begin(out);
  const size_t used = impl_->feed(bytes);
  impl_->finish();
  return used;
}

Submission ServerSession::take_submission() { return impl_->take_submission(); }

void ServerSession::submitted(const Result<MessageId>& result, std::string_view node, Output& out) {
  impl_->begin(out);
  if (impl_->phase_ == Impl::Phase::submit) impl_->submitted(result, node);
  impl_->finish();
}

void ServerSession::tls_started(const TlsState& tls, Output& out) {
  impl_->begin(out);
  if (impl_->phase_ == Impl::Phase::tls) {
    impl_->phase_ = Impl::Phase::command;
    impl_->tls_ = tls;
    if (impl_->trusted_) impl_->not_the_clients();  // it was the gateway who shook hands
    impl_->forget();
    impl_->login_.take_identity(impl_->scene());
    out.restart_deadline = true;
    impl_->end_if_asked();
  }
  impl_->finish();
}

void ServerSession::timed_out(Output& out) {
  impl_->begin(out);
  if (impl_->phase_ != Impl::Phase::submit && impl_->phase_ != Impl::Phase::tls && impl_->phase_ != Impl::Phase::closed)
    impl_->say(reply::timed_out);
  impl_->close();
  impl_->finish();
}

void ServerSession::shut_down(std::string_view text, Output& out) {
  impl_->begin(out);
  if (impl_->phase_ != Impl::Phase::closed) impl_->shut_down_ = std::string(text);
  impl_->end_if_asked();
  impl_->finish();
}

void ServerSession::kill(std::string_view text, Output& out) {
  impl_->begin(out);
  if (impl_->phase_ == Impl::Phase::submit)
    impl_->shut_down_ = std::string(text);
  else if (impl_->phase_ == Impl::Phase::tls)
    impl_->close();
  else if (impl_->phase_ != Impl::Phase::closed)
    impl_->say_closing(text);
  impl_->finish();
}

void ServerSession::trace(telemetry::SessionTracePtr trace) { impl_->trace_ = std::move(trace); }

Duration ServerSession::deadline(Waiting waiting) const {
  const Policy& policy = *impl_->policy_;
  if (impl_->denied_) return denied_time;
  switch (waiting) {
    case Waiting::greeting:
      return policy.greeting_timeout;
    case Waiting::command:
      return impl_->lines_.in_line() ? policy.command_timeout : policy.idle_timeout;
    case Waiting::data:
      return policy.data_timeout;
    case Waiting::submit:
    case Waiting::tls:
      break;
  }
  return Duration(0);
}

bool ServerSession::in_transaction() const { return impl_->transaction_.open; }
const std::string& ServerSession::helo() const { return impl_->helo_; }
const std::string& ServerSession::user() const { return impl_->login_.user(); }
const ClientInfo& ServerSession::client() const { return impl_->client_; }
std::optional<TlsState> ServerSession::tls() const { return impl_->tls_; }
const Policy& ServerSession::policy() const { return *impl_->policy_; }
size_t ServerSession::held() const { return impl_->data_.body().size(); }
uint64_t ServerSession::messages() const { return impl_->messages_; }
uint64_t ServerSession::recipients() const { return impl_->recipients_; }

std::string_view ServerSession::state() const {
  switch (impl_->phase_) {
    case Impl::Phase::data:
    case Impl::Phase::chunk:
      return "data";
    case Impl::Phase::auth:
      return "auth";
    case Impl::Phase::submit:
      return "commit";
    case Impl::Phase::tls:
      return "starttls";
    case Impl::Phase::closed:
      return "closed";
    case Impl::Phase::command:
      break;
  }
  if (!impl_->transaction_.recipients.empty()) return "rcpt";
  if (impl_->transaction_.open) return "mail";
  return impl_->greeting_ == Impl::Greeting::none ? "connected" : "greeted";
}

}  // namespace impulse::smtp
