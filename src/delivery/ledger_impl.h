// The inside of Ledger: what its two .cc files share. ledger.cc puts outcomes
// where they belong; ledger_reports.cc makes the reports that go with them.
#pragma once

#include "delivery/ledger.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery {

using queue::Item;

// What it takes to make one.
struct Ledger::Report {
  MessageId id;  // of the message that it is about
  std::string domain;
  RoutePtr route;
  Action action = Action::failed;
  std::vector<ReportLine> lines;
  WallTime retry_until{};
  std::vector<spool::Told> told;
  bool insist = false;  // also when the message cannot be read just now
};

// Recipients of one message that were delivered to, and whose sender wants to hear it.
struct Ledger::Success {
  std::string domain;
  RoutePtr route;
  Attempt attempt;
  std::vector<std::pair<Item, Outcome>> recipients;
  bool recorded = false;  // without waiting for the report
};

// Recipients of one message whose sender hears that they wait.
struct Ledger::Delay {
  std::string domain;
  RoutePtr route;
  Attempt attempt;
  std::vector<std::pair<Item, Outcome>> recipients;  // the items as they go back to the queue
};

// Recipients that are dropped, of any messages.
struct Ledger::Dropped {
  std::string domain;
  std::vector<Item> items;
  std::function<void(Result<>)> durable;
  std::map<MessageId, telemetry::NotePtr> notes{};
  size_t unread = 0;  // notes
};

struct Ledger::GivenUp {
  struct Recipient {
    Item item;
    Outcome outcome;
    spool::State state = spool::State::failed;
    std::string reason;  // expired: why there is no other attempt
  };
  std::string domain;
  RoutePtr route;
  Attempt attempt;
  MessageId id;
  std::vector<Recipient> recipients;
  bool bounced = false;  // a report was made
};

}  // namespace impulse::delivery
