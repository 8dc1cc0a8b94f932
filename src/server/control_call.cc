#include "server/control_call.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace impulse::server {

namespace {

constexpr size_t slice = 64 << 10;  // bytes of an answer, before others have their turn

// What a list may hold: what a transaction can take back, and what only looks.
constexpr std::array<std::string_view, 11> of_lists{
    "config check",  "config diff", "config eval",   "config explain", "config get",        "config history",
    "config locate", "config set",  "config replay", "config show",    "config showrecurse"};
constexpr std::string_view unset = "config unset";

}  // namespace

// A command's own words have to stand there as they are: in quotes they are for the session alone to find.
std::optional<api::Error> wrong_with_list(const control::CommandTable& table, const api::ControlOrder& order) {
  if (!order.list) return std::nullopt;
  for (size_t i = 0; i < order.requests.size(); ++i) {
    const control::Command* const command = table.find(words(order.requests[i].command)).command;
    if (command != nullptr && (command->name == unset || std::ranges::find(of_lists, command->name) != of_lists.end()))
      continue;
    return api::Error{api::Fault::unsupported, control_field(order, i),
                      fmt::format("a list is one transaction, of {}, {}", fmt::join(of_lists, ", "), unset)};
  }
  return std::nullopt;
}

ControlCall::ControlCall(net::Loop& loop, std::unique_ptr<control::Session> session, api::ControlOrder order,
                         std::function<void(ControlAnswer)> done)
    : loop_(loop),
      session_(std::move(session)),
      order_(std::move(order)),
      done_(std::move(done)),
      part_(order_.list ? Part::begin : Part::commands),
      timer_(loop,
             [this] {
               session_->release();
               step();
             }),
      self_(std::make_shared<ControlCall*>(this)) {}

ControlCall::~ControlCall() { *self_ = nullptr; }

std::string_view ControlCall::request() const {
  switch (part_) {
    case Part::begin:
      return "config begin\n";
    case Part::commands:
      return order_.requests[next_].bytes;
    case Part::commit:
      return "config commit\n";
  }
  return {};
}

void ControlCall::step() {
  std::string out;
  session_->produce(out, slice);
  reply_.feed(out);
  if (session_->works() && !reply_.too_large()) {
    timer_.start(session_->held_back());
    return;
  }
  // It came with its proof: there is no password that somebody might be guessing.
  if (session_->held_back() > Duration{0}) session_->release();
  if (reply_.done() || reply_.too_large()) return replied();
  if (!session_->busy()) {
    const std::string_view rest = request().substr(given_);
    // A session that asks for more than the request has, or that has ended, has no answer for it.
    if (rest.empty() || session_->finished()) return finish();
    given_ += session_->feed(rest);
  }
  later();
}

void ControlCall::later() {
  loop_.post([self = self_] {
    if (*self != nullptr) (*self)->step();
  });
}

// The present request has its reply: on to the next one, if there is one.
void ControlCall::replied() {
  if (!order_.list) return finish();
  const size_t size = reply_.size() + results_.size();
  if (part_ == Part::commands) {
    if (!reply_.too_large()) results_ += fmt::format("{}{}", results_.empty() ? "" : ",", reply_.result());
    if (reply_.succeeded()) ++next_;
  }
  if (reply_.too_large() || !reply_.succeeded() || size > api::ControlReply::largest || part_ == Part::commit)
    return finish();
  part_ = next_ == order_.requests.size() ? Part::commit : Part::commands;
  given_ = 0;
  reply_ = {};
  later();
}

std::string ControlCall::field() const {
  return part_ == Part::commands ? control_field(order_, next_) : std::string("commands");
}

// The end of the session takes back what was not committed.
void ControlCall::finish() {
  ControlAnswer answer;
  answer.status = reply_.http_status();
  if (!reply_.done() && !reply_.too_large())
    answer = {422, api::error_body({api::Fault::unsupported, field(), "this command is for a console only"},
                                   api::Style::impulse)};
  else if (answer.status != 200)
    answer.body = reply_.error(field());
  else if (!order_.list)
    answer.body = reply_.result();
  else if (part_ == Part::commands && reply_.succeeded())
    answer = {api::status_of(api::Fault::too_large),
              api::error_body({api::Fault::too_large, "commands",
                               fmt::format("the answers have over {} bytes", api::ControlReply::largest)},
                              api::Style::impulse)};
  else
    answer.body = fmt::format(R"({{"code":{},"word":"{}","committed":{},"results":[{}],"end":{}}})", reply_.code(),
                              reply_.word(), part_ == Part::commit && reply_.succeeded(), results_,
                              part_ == Part::commands ? "null" : reply_.result());
  session_.reset();
  const auto done = std::move(done_);
  done(std::move(answer));  // may be the end of us
}

}  // namespace impulse::server
