#include "control/protocol.h"

#include "base/text.h"
#include "control/limits.h"
#include "control/redact.h"
#include "control/safe_text.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <iterator>

namespace impulse::control {

namespace {

constexpr size_t kept_end = 256;  // bytes kept of each end of an overlong line: more than a tag and a marker need

std::string greeting(System& system, const About& about, const Access* access) {
  std::string line = fmt::format("* ECTL/1 impulse/{} node={} pid={} gen={}", about.version, safe_text(system.node()),
                                 getpid(), system.engine().current()->generation());
  if (access != nullptr) {
    const Access::Standing who = access->standing();
    if (who.required && !who.authenticated && !who.blocked) {
      std::vector<std::string_view> names;
      for (const auth::Mechanism mechanism : access->offered()) names.push_back(name(mechanism));
      line += names.empty() ? " auth=none" : fmt::format(" auth={}", fmt::join(names, ","));
    }
  }
  return line + '\n';
}

std::string_view without_cr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Empties a string, and gives its memory back when it is much (assigning an
// empty one would keep it).
void give_back(std::string& text) {
  if (text.capacity() > 4096)
    std::string().swap(text);
  else
    text.clear();
}

void refuse(ReadRequest& read, std::string id, std::string why) {
  if (!read.error_id.empty()) return;  // the first mistake is the one to tell
  read.error_id = std::move(id);
  read.error = std::move(why);
}

bool is_http_method(std::string_view word) {
  constexpr std::string_view methods[] = {"GET",    "POST",  "PUT",     "HEAD", "OPTIONS",
                                          "DELETE", "PATCH", "CONNECT", "TRACE"};
  return std::any_of(std::begin(methods), std::end(methods), [&](auto method) { return iequals(word, method); });
}

// " HTTP/" digit "." digit
bool ends_in_http_version(std::string_view line) {
  constexpr std::string_view name = " HTTP/";
  if (line.size() < name.size() + 3) return false;
  const std::string_view end = line.substr(line.size() - name.size() - 3);
  return end.starts_with(name) && is_digit(end[6]) && end[7] == '.' && is_digit(end[8]);
}

// Where the rest of a raw command begins: behind `count` words and one blank.
std::string_view rest_behind(std::string_view line, size_t count) {
  for (; count > 0; --count) {
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    while (!line.empty() && !is_space(line.front())) line.remove_prefix(1);
  }
  if (!line.empty()) line.remove_prefix(1);
  return line;
}

Step say_diagnostics(std::shared_ptr<const config::Source> source, config::Diagnostics diagnostics) {
  const size_t count = diagnostics.size();
  return each(count, [source = std::move(source), diagnostics = std::move(diagnostics)](Writer& writer, size_t i) {
    writer.diagnostic(diagnostics[i], source.get());
  });
}

Answer unknown_command(const CommandTable& table, std::span<const std::string_view> words, size_t used,
                       std::string place) {
  std::string known;
  for (size_t i = 0; i < used; ++i) known += fmt::format("{}{}", i == 0 ? "" : " ", lower(words[i]));
  const auto possible = table.next_words(words.first(used));
  std::string text;
  std::string id = "control-unknown-command";
  if (used == words.size()) {
    id = "control-incomplete-command";
    text = fmt::format("'{}' needs one of: {}", known, fmt::join(possible, ", "));
  } else {
    text = used == 0 ? fmt::format("unknown command '{}'", words[used])
                     : fmt::format("'{}' has no '{}'; it has: {}", known, words[used], fmt::join(possible, ", "));
    const std::string_view suggestion = nearest(words[used], possible);
    if (!suggestion.empty())
      text += fmt::format("; did you mean '{}{}{}'?", known, known.empty() ? "" : " ", suggestion);
    else if (used == 0)
      text += "; try 'help'";
  }
  return Answer::once({Code::usage, {}, {}},
                      [id = std::move(id), text = std::move(text), place = std::move(place)](Writer& writer) {
                        writer.notice(config::Diagnostic::Severity::error, id, place, text);
                      });
}

}  // namespace

Session::Session(System& system, const CommandTable& table, PeerIdentity peer, About about, Audit audit,
                 std::unique_ptr<Access> access)
    : system_(system),
      table_(table),
      peer_(std::move(peer)),
      about_(std::move(about)),
      audit_(std::move(audit)),
      access_(std::move(access)),
      ready_(greeting(system_, about_, access_.get())) {}

Session::~Session() {
  const size_t edits = workspace_.unsaved();
  if (!audit_ || (edits == 0 && late_.empty())) return;
  try {
    // Nobody was there any more to hear how it ended.
    if (!late_.empty()) audit_(peer_, late_, answer_.status);
    if (edits == 0) return;
    audit_(peer_, fmt::format("config rollback (the session ended, {} edit{} dropped)", edits, edits == 1 ? "" : "s"),
           Status{});
  } catch (const std::exception&) {  // nobody is left to be told
  }
}

size_t Session::held() const {
  return line_.text.capacity() + line_.tail.capacity() + waiting_.request.payload.capacity() +
         waiting_.request.line.capacity() + waiting_.request.command.capacity();
}

void Session::Line::append(std::string_view piece) {
  if (!overlong && text.size() + piece.size() < max_line) {
    text += piece;
    return;
  }
  if (!overlong) {
    overlong = true;
    tail = text.substr(text.size() - std::min(text.size(), kept_end));
    if (text.size() < kept_end) text += piece.substr(0, kept_end - text.size());
    text.resize(std::min(text.size(), kept_end));
    text.shrink_to_fit();
  }
  tail += piece.substr(piece.size() - std::min(piece.size(), kept_end));
  if (tail.size() > kept_end) tail.erase(0, tail.size() - kept_end);
}

size_t Session::feed(std::string_view bytes) {
  if (ending_) return bytes.size();
  size_t taken = 0;
  while (!busy() && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    const size_t end = rest.find('\n');
    line_.append(rest.substr(0, end));
    if (end == std::string_view::npos) return bytes.size();
    taken += end + 1;
    if (in_payload_)
      end_of_payload_line();
    else
      end_of_line();
    give_back(line_.text);
    line_.tail.clear();
    line_.overlong = false;
  }
  return taken;
}

// A page in a browser on this machine can send HTTP to the port of a console,
// with lines of its choice in the body: those must not be run.
bool Session::is_http() const {
  if (proven_) return false;
  if (ends_in_http_version(trim(line_.overlong ? line_.tail : line_.text))) return true;
  const auto first = words(line_.text);
  return first.size() > 1 && is_http_method(first[0]) && (first[1].starts_with('/') || first[1].contains("://"));
}

void Session::end_of_line() {
  if (authentication_.active()) {
    // An answer to a challenge. One that is too long cannot be base64 any more.
    return exchanged(authentication_.answer(*access_, line_.overlong ? "!" : without_cr(line_.text)));
  }
  ReadRequest read;
  if (is_http()) {
    read.request.command = escape_line(line_.text, 64);
    refuse(read, "control-not-http", "this is the console of impulsed, not a web server");
    received(std::move(read));
    answer_.finish = true;
    return;
  }
  if (line_.overlong) {
    read.request.tag = tag_of(line_.text);
    read.request.word = payload_word_of(without_cr(line_.tail));
    read.request.command = escape_line(line_.text, 64);
    refuse(read, "control-line-too-long", fmt::format("a line has at most {} bytes", max_line));
  } else {
    const std::string_view line = without_cr(line_.text);
    if (trim(line).empty() && check_bytes(line)) return;  // blank lines are no requests
    read = read_request(line);
  }
  if (read.request.word.empty()) return received(std::move(read));
  waiting_ = std::move(read);
  in_payload_ = true;
  if (access_) access_->look(system_.engine().current());
  drops_payload_ = is_stranger();
}

void Session::end_of_payload_line() {
  std::string& payload = waiting_.request.payload;
  const std::string_view line = without_cr(line_.text);
  if (line_.overlong) {
    refuse(waiting_, "control-line-too-long", fmt::format("a line has at most {} bytes", max_line));
  } else if (line == waiting_.request.word) {
    in_payload_ = false;
    return received(std::exchange(waiting_, {}));
  } else if (payload.size() + line.size() + 1 > max_payload) {
    refuse(waiting_, "control-payload-too-large", fmt::format("a payload has at most {} bytes", max_payload));
  } else if (auto checked = check_bytes(line); !checked) {
    refuse(waiting_, "control-bad-bytes", "in the payload: " + checked.error().message);
  } else if (waiting_.error_id.empty() && !drops_payload_) {
    payload += line;
    payload += '\n';
  }
  if (!waiting_.error_id.empty()) give_back(payload);  // goes on to the end, but is not kept
}

void Session::received(ReadRequest read) {
  Request& request = read.request;
  if (access_) {
    access_->look(system_.engine().current());
    if (!access_->client().peer.is_unix()) peer_.user = access_->standing().user;
  }
  if (read.error_id.empty() && authenticates(request)) {
    const std::string_view rest = rest_behind(request.line, 1);
    request.command = loggable_authenticate(rest);
    authenticating_ = {request.tag, request.json, {}, request.command, {}, {}};
    return exchanged(authentication_.begin(*access_, rest));
  }
  // Of a stranger what is no command may be a password: the answer to a
  // challenge that did not come.
  if (is_stranger() && read.error_id != "control-not-http" && table_.find(words(request.line)).command == nullptr)
    request.command = "(redacted)";
  Answer answer;
  try {
    if (!read.error_id.empty())
      answer = Answer::error(Code::usage, std::move(read.error_id), std::move(read.error));
    else
      answer = dispatch(request);
  } catch (const std::exception& error) {
    answer = Answer::error(Code::failed, "control-internal", fmt::format("internal error: {}", error.what()));
  }
  answer_with(std::move(answer), request);
}

bool Session::authenticates(const Request& request) const {
  const auto given = words(request.line);
  return access_ && request.word.empty() && given.size() > 1 && iequals(given.front(), "authenticate");
}

// A step of the exchange: a challenge, or its end.
void Session::exchanged(Authentication::Reply reply) {
  if (reply.challenge) {
    ready_ += fmt::format("?{}\n", *reply.challenge);
    return;
  }
  holding_ = reply.failed;
  if (!access_->client().peer.is_unix()) peer_.user = access_->standing().user;
  answer_with(std::move(reply.answer), std::exchange(authenticating_, {}));
}

void Session::answer_with(Answer answer, const Request& request) {
  ++requests_;
  answer_ = std::move(answer);
  if (answer_.status.code != Code::usage) proven_ = true;
  if (answer_.watch)
    if (const uint64_t dropped = watch_.set(*answer_.watch); dropped > 0) answer_.status.with("dropped", dropped);
  late_.clear();
  if (answer_.audit && answer_.late)
    late_ = loggable_command(request.command);
  else if (audit_ && answer_.audit)
    audit_(peer_, loggable_command(request.command), answer_.status);
  tag_ = request.tag;
  json_ = request.json;
  answering_ = true;
}

Answer Session::dispatch(const Request& request) {
  if (request.command.empty()) return Answer::error(Code::usage, "control-no-command", "a command is expected");
  config::Source source;
  source.name = "console: " + peer_.to_string();
  source.text = request.line;
  return run_command(request, std::make_shared<const config::Source>(std::move(source)));
}

Answer Session::run_command(const Request& request, const std::shared_ptr<const config::Source>& source) {
  Invocation call{system_, table_, peer_, about_, request.json, {}, {}, nullptr, source, workspace_};
  call.access = access_.get();
  const auto plain = words(request.line);
  CommandTable::Found found = table_.find(plain);
  if (access_) {
    // Before anything of it is looked at more closely.
    const Decision decision = access_->may_ask(found.command);
    if (!decision.allowed) return deny(request, decision);
  }
  config::ParsedLine parsed;
  if (found.command != nullptr && found.command->argument == Argument::line) {
    call.rest = rest_behind(request.line, found.used);
  } else {
    parsed = config::parse_line(source);
    if (config::has_errors(parsed.diagnostics))
      return {{Code::usage, {}, {}}, say_diagnostics(source, std::move(parsed.diagnostics))};
    if (parsed.words.empty()) return {};  // a comment
    std::vector<std::string_view> names;
    for (const config::RawValue& word : parsed.words) {
      if (word.kind != config::RawValue::Kind::word && word.kind != config::RawValue::Kind::string) break;
      names.push_back(word.text);
    }
    found = table_.find(names);
    if (found.command == nullptr) {
      if (names.empty()) return Answer::error(Code::usage, "control-no-command", "a command is expected, not a value");
      const config::Place place = parsed.words[std::min(found.used, names.size() - 1)].place;
      return unknown_command(table_, names, found.used, fmt::format("console:{}:{}", place.line, place.column));
    }
    call.words = std::span<const config::RawValue>(parsed.words).subspan(found.used);
  }
  if (!request.word.empty()) {
    if (!found.command->takes_payload)
      return Answer::error(Code::usage, "control-unexpected-payload",
                           fmt::format("'{}' takes no payload", found.command->name));
    if (drops_payload_) return deny(request, {false, {}, "control-unauthenticated", "authenticate first"});
    call.payload = &request.payload;
  }
  Decision decision;
  std::string line;
  if (access_) {
    line = canonical_line(*found.command, call.words, call.rest, call.payload);
    decision = access_->may_run(*found.command, line);
    if (!decision.allowed) return deny(request, decision);
  }
  const std::string accounted = redacted_command(request.command);
  Answer answer = found.command->run(call);
  if (access_ && answer.audit) access_->account(accounted, decision);
  if (answer.watch) {
    watching_by_ = found.command;
    watching_as_ = std::move(line);
  }
  if (parsed.diagnostics.empty()) return answer;
  answer.lines = then(say_diagnostics(source, std::move(parsed.diagnostics)), std::move(answer.lines));
  return answer;
}

bool Session::may_watch() {
  if (!access_ || !watch_.on() || watching_by_ == nullptr) return true;
  access_->look(system_.engine().current());
  if (access_->may_run(*watching_by_, watching_as_).allowed) return true;
  watch_.set({});
  return false;
}

Answer Session::deny(const Request& request, const Decision& decision) {
  access_->account(redacted_command(request.command), decision);
  return Answer::error(Code::denied, decision.id, decision.why);
}

bool Session::produce(std::string& out, size_t budget) {
  const size_t before = out.size();
  if (!ready_.empty()) {
    out += ready_;
    give_back(ready_);
  }
  Writer writer(out, json_);
  while (answering_ && !holding_ && waits_ == Duration{0} && out.size() - before < budget) {
    bool more = false;
    try {
      more = answer_.lines && answer_.lines(writer);
    } catch (const std::exception& error) {
      writer.error("control-internal", fmt::format("internal error: {}", error.what()));
      answer_.status = {Code::failed, {}, {}};
    }
    if (writer.failed()) answer_.status = {*writer.failed(), {}, {}};
    if (more) {
      waits_ = writer.waits();
      writer.wait(Duration{0});
      continue;
    }
    if (audit_ && !late_.empty()) audit_(peer_, late_, answer_.status);
    late_.clear();
    writer.status(answer_.status, tag_);
    ending_ = answer_.finish;
    answer_ = {};
    answering_ = false;
  }
  if (!answering_ && !ending_ && out.size() - before < budget) watch_.say(out);
  return busy();
}

}  // namespace impulse::control
