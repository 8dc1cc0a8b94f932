#include "console/inject/runner.h"

#include "base/text.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace impulse::ecinject {

namespace {

constexpr uint64_t second = 1'000'000;
constexpr uint64_t look_every = second / 10;
constexpr uint64_t show_every = second / 5;
constexpr uint64_t first_pause = second / 10;
constexpr uint64_t longest_pause = 5 * second;
constexpr uint64_t farewell_patience = 2 * second;
constexpr unsigned most_answers = 100;  // to one mail, none of which said what became of it
constexpr int at_once = 64;             // mails for one link before others have their turn

uint64_t micros_of(double seconds) { return static_cast<uint64_t>(seconds * static_cast<double>(second)); }

}  // namespace

Runner::Runner(const RunSettings& settings, const LinkSettings& links, Source& source, MakeEngine make,
               Progress& progress, int interrupt)
    : settings_(settings),
      link_settings_(links),
      source_(source),
      make_(std::move(make)),
      progress_(progress),
      interrupt_(interrupt),
      pacer_(settings.rate),
      begin_(std::chrono::steady_clock::now()) {}

Runner::~Runner() = default;

uint64_t Runner::micros() const {
  // One more, so that 0 is before everything.
  return 1 +
         static_cast<uint64_t>(
             std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin_).count());
}

bool Runner::prepare() {
  poll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!poll_) {
    result_.failure = Failure{EX_OSERR, "epoll: " + errno_text(errno)};
    return false;
  }
  if (interrupt_ >= 0) {
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, interrupt_, &event);
  }
  uint64_t count = settings_.connections;
  if (settings_.mails) count = std::min<uint64_t>(count, std::max<uint64_t>(1, *settings_.mails));
  // Streams keep their numbers, so all of them are there in every run.
  if (settings_.named_stream) count = settings_.connections;
  for (uint64_t i = 0; i < count; ++i) {
    auto& link = links_.emplace_back(std::make_unique<Link>(link_settings_, *this, poll_.get(), i));
    link->speak(make_(i, *link));
  }
  down_ = links_.size();
  return true;
}

RunResult Runner::run() {
  begin_ = std::chrono::steady_clock::now();
  if (!prepare()) return std::move(result_);
  while (!ended_) round();
  result_.seconds = static_cast<double>(micros()) / static_cast<double>(second);
  // A word of farewell, as far as the others listen.
  const uint64_t until = micros() + farewell_patience;
  for (const auto& link : links_) link->quit();
  while (micros() < until && std::ranges::any_of(links_, [](const auto& link) { return !link->is_down(); })) {
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), 50);
    for (int i = 0; i < count; ++i) {
      auto* const link = static_cast<Link*>(events[static_cast<size_t>(i)].data.ptr);
      if (link != nullptr)
        link->on_event(events[static_cast<size_t>(i)].events);
      else
        break;
    }
  }
  for (const auto& link : links_) {
    if (!link->is_down()) link->drop("");
    result_.tally.wire_bytes += link->wire_bytes();
  }
  count_rest();
  show(true);
  return std::move(result_);
}

// What nothing became of.
void Runner::count_rest() {
  Tally& tally = result_.tally;
  for (const Again& each : again_) (each.unknown ? tally.unknown : result_.unsent) += messages_of(each.index);
  if (!settings_.mails) return;
  const uint64_t told = tally.accepted + tally.refused + tally.unknown + tally.already_there;
  result_.unsent = settings_.messages - std::min(settings_.messages, told);
}

void Runner::round() {
  uint64_t now = micros();
  if (!stopping_ && settings_.duration > 0 && now >= micros_of(settings_.duration)) stopping_ = true;
  connect_links(now);
  give_mails(now);
  if (now - looked_ >= look_every) look_after(now);
  if (now - shown_ >= show_every) show(false);
  if (pending_ == 0 && !anything_left()) ended_ = true;
  if (ended_) return;
  std::array<epoll_event, 256> events;
  const int count = ::epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), patience_until_next(now));
  for (int i = 0; i < count && !ended_; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    auto* const link = static_cast<Link*>(event.data.ptr);
    if (link == nullptr) {
      on_interrupt();
      continue;
    }
    link->on_event(event.events);
    if (link->wants()) want(*link);
  }
}

int Runner::patience_until_next(uint64_t now) const {
  uint64_t until = now + look_every;
  if (!wanting_.empty() && anything_left()) {
    const uint64_t next = micros_of(pacer_.next());
    if (next <= now) return 0;
    until = std::min(until, next);
  }
  for (const auto& link : links_) {
    if (down_ == 0) break;
    if (link->is_down() && left_for(*link)) until = std::min(until, std::max(link->again_at, now));
  }
  if (settings_.duration > 0 && !stopping_) until = std::min(until, std::max(now, micros_of(settings_.duration)));
  // Rounded up: a look too early would only be one more.
  return static_cast<int>((until - now + 999) / 1000);
}

// --- mails ----------------------------------------------------------------------

uint64_t Runner::messages_of(uint64_t index) const {
  if (!settings_.mails || settings_.batch == 1) return settings_.batch;
  return std::min(settings_.batch, settings_.messages - std::min(settings_.messages, index * settings_.batch));
}

// Mails that no link has yet.
bool Runner::anything_left() const {
  if (stopping_) return false;
  if (!again_.empty()) return true;
  if (!settings_.named_stream) return !settings_.mails || next_ < *settings_.mails;
  return std::ranges::any_of(links_, [this](const auto& link) { return left_for(*link); });
}

bool Runner::left_for(const Link& link) const {
  if (link.pending() != 0) return true;
  if (stopping_) return false;
  if (!settings_.named_stream) return anything_left();
  return !link.numbered || !settings_.mails || link.next_index < *settings_.mails;
}

// Where an earlier run has brought the link's stream.
void Runner::note_stream(Link& link) {
  if (!settings_.named_stream || std::exchange(link.numbered, true)) return;
  link.next_index = link.number() + link.resumed() * links_.size();
  uint64_t done = link.resumed();
  if (settings_.mails) {
    const uint64_t all = *settings_.mails;
    done = std::min(done, all > link.number() ? (all - link.number() - 1) / links_.size() + 1 : 0);
  }
  // What the earlier run was refused is counted as that.
  result_.tally.already_there += done - std::min(done, link.refused_before());
}

std::optional<uint64_t> Runner::next_index(Link& link) {
  if (stopping_) return std::nullopt;
  if (settings_.named_stream) {
    if (settings_.mails && link.next_index >= *settings_.mails) return std::nullopt;
    return std::exchange(link.next_index, link.next_index + links_.size());
  }
  if (!again_.empty()) {
    const uint64_t now = micros();
    const auto due = std::ranges::find_if(again_, [now](const Again& each) { return each.at <= now; });
    if (due != again_.end()) {
      const uint64_t index = due->index;
      again_.erase(due);
      ++result_.tally.resent;
      return index;
    }
  }
  if (settings_.mails && next_ >= *settings_.mails) return std::nullopt;
  return next_++;
}

void Runner::want(Link& link) {
  ever_ready_ = true;
  note_stream(link);
  if (!std::exchange(link.queued, true)) wanting_.push_back(&link);
}

// False: there is nothing for it now.
bool Runner::give_one(Link& link) {
  const auto index = next_index(link);
  if (!index) return false;
  const uint64_t messages = messages_of(*index);
  Mail& mail = link.mail();
  if (auto filled = source_.fill(*index, settings_.batch == 1 ? UINT64_MAX : messages, mail); !filled) {
    end_now(filled.error());
    return false;
  }
  pacer_.took(messages);
  ++pending_;
  link.send();
  return true;
}

void Runner::give_mails(uint64_t now) {
  if (!again_.empty() && wanting_.empty())  // whoever had nothing to do
    for (const auto& link : links_)
      if (link->wants()) want(*link);
  for (size_t turns = wanting_.size(); turns > 0 && !ended_; --turns) {
    const uint64_t due = pacer_.due(static_cast<double>(now) / static_cast<double>(second));
    if (due == 0) return;
    Link& link = *wanting_.front();
    wanting_.pop_front();
    link.queued = false;
    uint64_t given = 0;
    bool more = true;
    while (more && given < due && given < at_once && link.wants()) {
      if (settings_.per_connection != 0 && link.sent_here() >= settings_.per_connection) {
        link.quit();
        more = false;
      } else {
        more = give_one(link);
        given += more ? settings_.batch : 0;
      }
    }
    link.flush();
    if (more && link.wants()) want(link);
  }
}

void Runner::settled(Link& link, const Settled& settled) {
  --pending_;
  Tally& tally = result_.tally;
  switch (settled.how) {
    case Settled::How::answered:
      broken_since_.reset();
      link.failures = 0;
      if (!tries_.empty()) tries_.erase(settled.index);
      tally.accept(settled);
      return;
    case Settled::How::unsent:
      return send_again(settled);
    case Settled::How::unknown:
      if (settings_.retry) return send_again(settled);
      tally.unknown += messages_of(settled.index);
  }
}

// At once the first time, then later and later: a mail that breaks each
// connection it comes to shall not keep the others from going.
void Runner::send_again(const Settled& settled) {
  const unsigned failed = tries_[settled.index]++;
  if (settled.pause != 0 && failed >= most_answers) {
    tries_.erase(settled.index);
    (settled.how == Settled::How::unknown ? result_.tally.unknown : result_.unsent) += messages_of(settled.index);
    return;
  }
  uint64_t pause = settled.pause;
  if (pause == 0 && failed != 0) pause = std::min(longest_pause, first_pause << std::min(failed - 1, 10U));
  again_.push_back({settled.index, settled.how == Settled::How::unknown, pause == 0 ? 0 : micros() + pause});
}

void Runner::refused(int code, uint64_t messages, uint64_t recipients, std::string_view text) {
  result_.tally.refuse(code, messages, recipients, text);
}

// --- connections ----------------------------------------------------------------

void Runner::connect_links(uint64_t now) {
  for (const auto& link : links_) {
    if (ended_ || down_ == 0) return;
    if (!link->is_down() || link->again_at > now || !left_for(*link)) continue;
    ++result_.tally.connections;
    --down_;
    link->connect();
  }
}

void Runner::down(Link& link, const std::string& why, bool fatal) {
  ++down_;
  if (ended_) return;
  const uint64_t now = micros();
  if (why.empty()) {  // as was meant
    link.again_at = now;
    return;
  }
  Tally& tally = result_.tally;
  ++tally.broken;
  tally.last_error = escape_line(why, 512);
  if (link.is_dismissed() || (fatal && !ever_ready_)) return end_now(Failure{EX_UNAVAILABLE, why});
  if (!link.was_idle() && !broken_since_) broken_since_ = now;  // a server may close what nobody uses
  if (broken_since_ && now - *broken_since_ > micros_of(settings_.patience))
    return end_now(Failure{EX_UNAVAILABLE, why});
  // A connection that brought something is made anew at once.
  if (link.settled_here() != 0) link.failures = 0;
  const uint64_t pause = std::min(longest_pause, first_pause << std::min(link.failures, 10U));
  link.again_at = link.failures++ == 0 && link.settled_here() != 0 ? now : now + pause;
}

void Runner::look_after(uint64_t now) {
  looked_ = now;
  const uint64_t timeout = micros_of(settings_.timeout);
  for (const auto& link : links_) {
    if (ended_) return;
    if (link->is_down() || !link->waits() || now - std::min(now, link->moved()) < timeout) continue;
    link->time_out(fmt::format("no answer in {} s", settings_.timeout));
  }
}

void Runner::on_interrupt() {
  std::array<char, 64> block;
  size_t times = 0;
  for (ssize_t got = 0; (got = ::read(interrupt_, block.data(), block.size())) > 0;) times += static_cast<size_t>(got);
  stopping_ = true;
  // The second time: not even what is under way.
  if (std::exchange(result_.interrupted, true) || times > 1) end_now(std::nullopt);
}

void Runner::end_now(std::optional<Failure> why) {
  ended_ = true;
  if (why) result_.failure = std::move(why);
  for (const auto& link : links_) {
    link->drop("");
    link->give_up();
  }
}

void Runner::show(bool last) {
  shown_ = micros();
  Standing standing;
  standing.seconds = static_cast<double>(shown_) / static_cast<double>(second);
  const Tally& tally = result_.tally;
  standing.done = tally.accepted + tally.refused + tally.unknown + tally.already_there;
  standing.accepted = tally.accepted;
  standing.bytes = tally.accepted_bytes;
  standing.failed = tally.refused + tally.unknown;
  standing.all = settings_.mails ? settings_.messages : 0;
  standing.duration = settings_.duration;
  progress_.show(standing, last);
}

}  // namespace impulse::ecinject
