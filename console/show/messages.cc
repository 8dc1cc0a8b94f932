#include "console/show/messages.h"

#include "base/text.h"
#include "console/show/output.h"
#include "message/address.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::ecshow {

namespace {

bool fits(const Filter& filter, const message::Envelope& envelope) {
  if (filter.from && envelope.received < *filter.from) return false;
  if (filter.to && envelope.received > *filter.to) return false;
  if (filter.sender && !filter.sender->matches(envelope.sender)) return false;
  const auto any = [&](auto&& wanted) { return std::ranges::any_of(envelope.recipients, wanted); };
  if (filter.recipient &&
      !any([&](const message::Recipient& recipient) { return filter.recipient->matches(recipient.address); }))
    return false;
  if (!filter.content.fits(envelope)) return false;
  return filter.domain.empty() || any([&](const message::Recipient& recipient) {
           return iequals(message::domain_of(recipient.address), filter.domain);
         });
}

// When something happens next: of those who wait, the earliest; the epoch: at once.
WallTime next_attempt(const spool::Summary& summary) {
  WallTime next = WallTime::max();
  for (const spool::RecipientState& state : summary.states)
    if (state.state == spool::State::pending) next = std::min(next, state.next_attempt);
  return std::max(next, summary.envelope.hold_until);
}

bool is_due(WallTime next) { return next <= wall_now(); }

std::string next_text(WallTime next) {
  if (next == WallTime::max()) return "held";
  return is_due(next) ? "now" : time_text(next);
}

Json next_json(WallTime next) { return next == WallTime::max() || is_due(next) ? Json() : time_json(next); }

size_t pending(const spool::Summary& summary) {
  return static_cast<size_t>(std::ranges::count(summary.states, spool::State::pending, &spool::RecipientState::state));
}

std::string_view state_of(const spool::Summary& summary) {
  if (next_attempt(summary) == WallTime::max()) return "held";
  for (const spool::RecipientState& state : summary.states)
    if (state.state == spool::State::pending && state.attempts > 0) return "retrying";
  return "waiting";
}

Json document(const spool::Summary& summary) {
  Json recipients = Json::array();
  for (size_t i = 0; i < summary.envelope.recipients.size(); ++i) {
    const spool::RecipientState& state = summary.states[i];
    Json recipient{{"recipient", summary.envelope.recipients[i].address},
                   {"state", state_text(state)},
                   {"attempts", state.attempts}};
    if (state.state == spool::State::pending) recipient["next_attempt"] = next_json(state.next_attempt);
    if (!state.binding.empty()) recipient["binding"] = state.binding;
    if (!state.last_error.empty()) recipient["last_error"] = state.last_error;
    recipients.push_back(std::move(recipient));
  }
  const message::Envelope& envelope = summary.envelope;
  Json document{{"id", id_text(summary.id, summary.node)},
                {"received", time_json(envelope.received)},
                {"size", summary.size},
                {"sender", envelope.sender},
                {"state", state_of(summary)},
                {"next_attempt", next_json(next_attempt(summary))},
                {"client", envelope.client.to_string()},
                {"helo", envelope.client_helo},
                {"listener", envelope.listener},
                {"user", envelope.user},
                {"tenant", envelope.tenant}};
  if (!envelope.binding.empty()) document["binding"] = envelope.binding;
  if (!envelope.envid.empty()) document["envid"] = envelope.envid;
  if (envelope.hold_until != WallTime{}) document["hold_until"] = time_json(envelope.hold_until);
  for (const auto& [key, value] : envelope.context)
    document["context"].push_back(Json{{"name", key}, {"value", value}});
  document["recipients"] = std::move(recipients);
  return document;
}

std::string line(const spool::Summary& summary) {
  constexpr size_t shown = 3;
  std::string text = fmt::format("{:<26}  {}  {:>9}  {:<8}  {:<20}  {}", id_text(summary.id, summary.node),
                                 time_text(summary.envelope.received), summary.size, state_of(summary),
                                 next_text(next_attempt(summary)), address_text(summary.envelope.sender));
  size_t count = 0;
  for (size_t i = 0; i < summary.states.size(); ++i) {
    if (summary.states[i].state != spool::State::pending || ++count > shown) continue;
    text += (count == 1 ? "  " : ", ") + address_text(summary.envelope.recipients[i].address);
  }
  if (count > shown) text += fmt::format(" and {} more", count - shown);
  return text + "\n";
}

void print_details(const spool::Summary& summary) {
  const message::Envelope& envelope = summary.envelope;
  const auto row = [](std::string_view name, std::string_view value) {
    if (!value.empty()) print(fmt::format("{:<13} {}\n", name, value));
  };
  row("id", id_text(summary.id, summary.node));
  row("received", time_text(envelope.received));
  row("size", fmt::format("{} bytes", summary.size));
  row("sender", address_text(envelope.sender));
  row("client", envelope.listener.empty() ? "" : envelope.client.to_string());
  row("helo", escape_line(envelope.client_helo));
  row("listener", escape_line(envelope.listener));
  row("user", escape_line(envelope.user));
  row("tenant", escape_line(envelope.tenant));
  row("binding", escape_line(envelope.binding));
  row("envid", escape_line(envelope.envid));
  if (envelope.hold_until != WallTime{}) row("held until", time_text(envelope.hold_until));
  for (const auto& [key, value] : envelope.context)
    row("context", fmt::format("{} = {}", escape_line(key), escape_line(value)));
  for (size_t i = 0; i < summary.states.size(); ++i) {
    const spool::RecipientState& state = summary.states[i];
    std::string text = fmt::format("{} {}", address_text(envelope.recipients[i].address), state_text(state));
    if (state.attempts > 0) text += fmt::format(", {} attempt{}", state.attempts, state.attempts == 1 ? "" : "s");
    if (state.state == spool::State::pending) text += ", next " + next_text(state.next_attempt);
    if (!state.binding.empty()) text += ", binding " + escape_line(state.binding);
    if (!state.last_error.empty()) text += ": " + escape_line(state.last_error);
    row("recipient", text);
  }
}

// Header and body of a whole message: the body begins behind the first empty line.
size_t body_at(std::string_view message) {
  if (message.starts_with("\r\n")) return 2;
  const size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? message.size() : end + 4;
}

void print_part(const spool::Stored& stored, Options::Part part) {
  const std::string message = stored.trace + stored.body;
  const std::string_view all = message;
  const size_t body = body_at(all);
  if (part == Options::Part::headers)
    print(body >= 2 && all.substr(0, body).ends_with("\r\n\r\n") ? all.substr(0, body - 2) : all.substr(0, body));
  else
    print(part == Options::Part::body ? all.substr(body) : all);
}

}  // namespace

Result<bool> fits(const spool::View& view, const Filter& filter, const spool::Summary& summary) {
  if (pending(summary) == 0 || !fits(filter, summary.envelope)) return false;
  if (!filter.content.needs_text()) return true;
  const auto stored = view.read(summary.id);
  if (!stored) return std::unexpected(stored.error());
  return filter.content.fits(*stored);
}

int say_error(const Error& why) {
  complain(why.message);
  return why.code == Errc::invalid ? status_damaged : status_spool;
}

int say_notes(const spool::View& view) {
  for (const std::string& note : view.report().notes) complain(note);
  int status = status_done;
  for (const auto& segment : view.segments()) {
    if (segment.damaged == 0 && !segment.unreadable) continue;
    status = status_damaged;
    if (segment.unreadable)
      complain(fmt::format("{:08X}.seg: the disk cannot read all of it", segment.number));
    else
      complain(fmt::format("{:08X}.seg: {} damaged {}", segment.number, segment.damaged,
                           segment.damaged == 1 ? "record" : "records"));
  }
  return status;
}

int list_messages(const spool::View& view, const Options& options) {
  int status = say_notes(view);
  uint64_t count = 0;
  if (options.action == Options::Action::list && !options.json && view.report().messages > 0)
    print(fmt::format("{:<26}  {:<20}  {:>9}  {:<8}  {:<20}  SENDER  WAITING RECIPIENTS\n", "ID", "RECEIVED", "SIZE",
                      "STATE", "NEXT ATTEMPT"));
  for (const MessageId id : view.live()) {
    const auto summary = view.summary(id);
    if (!summary) {
      status = status_damaged;
      complain(fmt::format("{}: {}", id_text(id, ""), summary.error().message));
      continue;
    }
    const auto wanted = fits(view, options.filter, *summary);
    if (!wanted && wanted.error().code == Errc::not_found) continue;  // finished meanwhile
    if (!wanted) {
      status = status_damaged;
      complain(fmt::format("{}: {}", id_text(id, summary->node), wanted.error().message));
      continue;
    }
    if (!*wanted) continue;
    ++count;
    if (options.action == Options::Action::count) continue;
    if (options.json)
      print_json(document(*summary));
    else
      print(line(*summary));
  }
  if (options.action == Options::Action::count) {
    if (options.json)
      print_json(Json{{"messages", count}});
    else
      print(fmt::format("{}\n", count));
  }
  return status;
}

int show_message(const Options& options) {
  constexpr int attempts = 5;
  for (int i = 1;; ++i) {
    const auto view = spool::View::open(spool::system_files(), options.spool);
    if (!view) return say_error(view.error());
    Result<> done;
    const auto summary = (*view)->summary(options.message);
    if (summary && !options.node.empty() && !summary->node.empty() && options.node != summary->node) {
      complain(fmt::format("{}: a message of another node; here it is {}", id_text(options.message, options.node),
                           id_text(options.message, summary->node)));
      return status_no;
    }
    if (options.part == Options::Part::details) {
      if (summary && options.json)
        print_json(document(*summary));
      else if (summary)
        print_details(*summary);
      else
        done = std::unexpected(summary.error());
    } else {
      const auto stored = (*view)->read(options.message);
      if (stored)
        print_part(*stored, options.part);
      else
        done = std::unexpected(stored.error());
    }
    if (done) return status_done;
    const auto& live = (*view)->live();
    if (done.error().code != Errc::not_found) return say_error(done.error());
    if (!std::ranges::binary_search(live, options.message)) {
      complain(done.error().message);
      return status_no;
    }
    // The rest of a large body goes when the message is finished: then the next look does not find it live.
    if (i < attempts) continue;
    complain(fmt::format("a part of its body is missing: {}", done.error().message));
    return status_damaged;
  }
}

int show_summary(const spool::View& view, const Options& options) {
  const int status = say_notes(view);
  uint64_t bytes = 0, live_bytes = 0;
  for (const auto& segment : view.segments()) {
    bytes += segment.bytes;
    live_bytes += segment.live_bytes;
  }
  if (options.json) {
    for (const auto& segment : view.segments())
      print_json(Json{{"segment", fmt::format("{:08X}", segment.number)},
                      {"sealed", segment.sealed},
                      {"bytes", segment.bytes},
                      {"live_bytes", segment.live_bytes},
                      {"messages", segment.messages},
                      {"damaged", segment.damaged}});
    print_json(Json{{"spool", options.spool},
                    {"segments", view.segments().size()},
                    {"bytes", bytes},
                    {"live_bytes", live_bytes},
                    {"messages", view.report().messages},
                    {"receipts", view.report().receipts},
                    {"uncommitted", view.report().uncommitted},
                    {"damaged", view.report().damaged}});
    return status;
  }
  if (!view.segments().empty())
    print(fmt::format("{:<8}  {:<6}  {:>12}  {:>12}  {:>9}\n", "SEGMENT", "STATE", "BYTES", "LIVE BYTES", "MESSAGES"));
  for (const auto& segment : view.segments())
    print(fmt::format("{:08X}  {:<6}  {:>12}  {:>12}  {:>9}{}\n", segment.number, segment.sealed ? "sealed" : "open",
                      segment.bytes, segment.live_bytes, segment.messages,
                      segment.damaged > 0 ? fmt::format("  {} damaged", segment.damaged) : ""));
  print(fmt::format("{} segments, {} bytes, {} of them live; {} messages, {} receipts", view.segments().size(), bytes,
                    live_bytes, view.report().messages, view.report().receipts));
  if (view.report().uncommitted > 0) print(fmt::format(", {} messages without a commit", view.report().uncommitted));
  print("\n");
  return status;
}

}  // namespace impulse::ecshow
