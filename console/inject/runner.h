// Runner: a whole run: keeps the connections busy at the rate that was asked
// for, until all is sent, the time is over, or somebody interrupts. One thread.
#pragma once

#include "console/inject/link.h"
#include "console/inject/options.h"
#include "console/inject/pacer.h"
#include "console/inject/progress.h"
#include "console/inject/source.h"
#include "console/inject/tally.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace impulse::ecinject {

struct RunSettings {
  std::optional<uint64_t> mails;  // none: until the time is over
  uint64_t messages = 0;          // … in all; the last mail may have fewer recipients than the others
  uint64_t batch = 1;             // messages that a mail is
  double duration = 0;
  double rate = 0;
  size_t connections = 1;
  uint64_t per_connection = 0;
  bool named_stream = false;  // each link has its own mails: its number, and every connections-th behind it
  bool retry = false;
  double timeout = 60;
  double patience = 60;
};

struct RunResult {
  Tally tally;
  double seconds = 0;
  uint64_t unsent = 0;  // messages that were to go and did not
  bool interrupted = false;
  std::optional<Failure> failure;  // why it ended before its time
};

class Runner final : public LinkHost {
 public:
  using MakeEngine = std::function<std::unique_ptr<Engine>(size_t number, EngineHost& host)>;
  // All that is borrowed outlives it. `interrupt`: readable when the user wants an end; -1: none.
  Runner(const RunSettings& settings, const LinkSettings& links, Source& source, MakeEngine make, Progress& progress,
         int interrupt);
  ~Runner() override;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  RunResult run();

  // LinkHost
  void settled(Link& link, const Settled& settled) override;
  void refused(int code, uint64_t messages, uint64_t recipients, std::string_view text) override;
  void down(Link& link, const std::string& why, bool fatal) override;
  uint64_t micros() const override;

 private:
  bool prepare();
  void round();
  void connect_links(uint64_t now);
  void give_mails(uint64_t now);
  bool give_one(Link& link);
  std::optional<uint64_t> next_index(Link& link);
  void note_stream(Link& link);
  bool anything_left() const;
  bool left_for(const Link& link) const;
  uint64_t messages_of(uint64_t index) const;
  void want(Link& link);
  void count_rest();
  void look_after(uint64_t now);
  void on_interrupt();
  void end_now(std::optional<Failure> why);
  int patience_until_next(uint64_t now) const;
  void show(bool last);

  RunSettings settings_;
  const LinkSettings& link_settings_;
  Source& source_;
  MakeEngine make_;
  Progress& progress_;
  int interrupt_;
  UniqueFd poll_;
  Pacer pacer_;
  std::vector<std::unique_ptr<Link>> links_;
  std::deque<Link*> wanting_;
  struct Again {
    uint64_t index = 0;
    bool unknown = false;  // it may be there already
    uint64_t at = 0;       // micros(): not before
  };
  void send_again(const Settled& settled);
  std::deque<Again> again_;                       // to be sent once more
  std::unordered_map<uint64_t, unsigned> tries_;  // that failed, of mails not answered, by their index
  RunResult result_;
  std::chrono::steady_clock::time_point begin_;
  uint64_t next_ = 0;     // index
  uint64_t pending_ = 0;  // mails
  uint64_t looked_ = 0;   // micros(): look_after() was then
  uint64_t shown_ = 0;
  size_t down_ = 0;  // links
  std::optional<uint64_t> broken_since_;
  bool ever_ready_ = false;
  bool stopping_ = false;  // no more mails
  bool ended_ = false;
};

}  // namespace impulse::ecinject
