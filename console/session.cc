#include "console/session.h"

#include "base/text.h"

namespace impulse::console {

namespace {

using std::chrono::milliseconds;

// How long the rest of an answer that nobody wants may hold up a request.
constexpr milliseconds settle_patience{2000};

// The name in "config begin name=NAME", "name = NAME" or "config attach NAME".
std::string named(const std::vector<std::string_view>& words) {
  for (size_t i = 2; i < words.size(); ++i) {
    if (istarts_with(words[i], "name=") && words[i].size() > 5) return std::string(words[i].substr(5));
    if ((iequals(words[i], "name") || iequals(words[i], "name=")) && i + 1 < words.size())
      return std::string(words[i + 1] == "=" && i + 2 < words.size() ? words[i + 2] : words[i + 1]);
  }
  return {};
}

}  // namespace

Session::Session(Connector connector, Client client, Tell tell)
    : connector_(std::move(connector)),
      client_(std::move(client)),
      tell_(std::move(tell)),
      transaction_(connector_.access().transaction),
      process_(client_->greeting().field("pid")) {}

Outcome<> Session::ready(milliseconds patience, bool ask) {
  if (client_ && client_->owed()) {
    const auto settled = client_->settle(patience.count() > 0 ? patience : settle_patience);
    if (!settled && settled.error().kind == Failure::Kind::interrupted) return settled;
    if (!settled && patience.count() > 0) return settled;  // not worth losing a transaction
    if (!settled) drop();
  }
  if (client_ && client_->peer_closed()) drop();
  return client_ ? Outcome<>() : connect(patience, ask);
}

Outcome<> Session::connect(milliseconds patience, bool ask) {
  auto again = connector_.connect(patience, ask);
  if (!again) return std::unexpected(std::move(again.error()));
  client_ = std::move(*again);
  const std::string process = client_->greeting().field("pid");
  if (process != process_)
    tell_(fmt::format("connected again: the daemon was restarted; process {}, configuration generation {}", process,
                      client_->greeting().field("gen")));
  process_ = process;
  if (transaction_.empty() || transaction_ == connector_.access().transaction) return {};
  int status = 0;
  const std::string name = std::exchange(transaction_, {});
  const auto joined = run_quietly(*client_, "config attach " + name, status);
  if (joined) {
    transaction_ = name;
    return {};
  }
  if (status < 0) client_.reset();
  tell_(fmt::format("the transaction '{}' cannot be joined again: {}", name, joined.error().text));
  return failed(Failure::Kind::misuse, "the command was not run, since it would be in force at once");
}

void Session::answered(std::string_view request, const ReplyLine& status) {
  if (status.code != 0 && status.code != 5) return;  // degraded is done, too
  auto typed = words(request);
  while (!typed.empty() && (typed.front().starts_with('@') || iequals(typed.front(), "--json")))
    typed.erase(typed.begin());
  if (typed.size() < 2 || !iequals(typed[0], "config")) return;
  if (iequals(typed[1], "begin")) {
    transaction_ = named(typed);
    if (transaction_.empty()) transaction_ = "*";
  } else if (iequals(typed[1], "attach") && typed.size() > 2) {
    transaction_ = typed[2];
  } else if (iequals(typed[1], "commit") || iequals(typed[1], "rollback") || iequals(typed[1], "detach")) {
    transaction_.clear();
  }
}

void Session::interrupted() {
  if (holds_transaction()) return;
  if (client_) client_->abandon();
  client_.reset();
}

void Session::drop() {
  client_.reset();
  if (!holds_transaction()) return;
  transaction_.clear();
  tell_("the connection is gone, and with it the transaction that was open: none of its edits is in force");
}

std::vector<ReplyLine> Session::heard() {
  std::vector<ReplyLine> lines;
  if (!client_) return lines;
  while (auto line = client_->unasked()) lines.push_back(std::move(*line));
  if (client_->peer_closed()) drop();
  return lines;
}

}  // namespace impulse::console
