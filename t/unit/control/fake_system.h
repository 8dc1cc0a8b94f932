// FakeSystem: a daemon for console commands to ask, with a real configuration
// engine over files that exist in memory only.
#pragma once

#include "base/text.h"
#include "control/protocol.h"
#include "control/system.h"
#include "fake_names.h"
#include "fake_process.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace impulse::control::test {

class FakeSystem : public System {
 public:
  // Loads `text` as "impulse.conf".
  explicit FakeSystem(std::string text = default_configuration) {
    files["impulse.conf"] = std::move(text);
    config::EngineSettings settings;
    settings.file = "impulse.conf";
    settings.load.read_file = [this](const std::string& path) -> Result<std::string> {
      const auto found = files.find(path);
      if (found == files.end()) return fail(Errc::not_found, "{}: no such file", path);
      return found->second;
    };
    engine_ = config::Engine::create(std::move(settings));
    loaded = engine_->load();
  }

  config::Engine& engine() override { return *engine_; }
  const telemetry::Counters& counters() override { return counts; }
  std::vector<InboundSession> inbound() override { return ++asked, sessions; }
  std::vector<ListenStatus> listens() override { return listening; }
  std::vector<GenerationSessions> sessions_by_generation() override { return generations; }
  bool kill_session(uint64_t id) override {
    return std::erase_if(sessions, [&](const InboundSession& session) { return session.id == id; }) > 0;
  }
  Result<std::vector<Endpoint>> act_on_listens(ListenAct act, const ListenTarget& target) override {
    acts.emplace_back(act, target);
    return acted;
  }
  std::vector<OutboundConnection> outbound() override { return outbound_connections; }
  Result<uint64_t> trace_add(telemetry::TraceSpec spec) override { return tracers.add(std::move(spec)); }
  bool trace_remove(uint64_t id) override { return tracers.remove(id); }
  std::vector<telemetry::Tracer> traces() override { return tracers.list(); }
  std::vector<QueuedDomain> queue_domains(std::string_view after, size_t count) override {
    std::vector<QueuedDomain> found = domains;
    std::erase_if(found, [&](const QueuedDomain& row) { return !after.empty() && icompare(row.domain, after) <= 0; });
    std::ranges::sort(found, ILess(), &QueuedDomain::domain);
    if (found.size() > count) found.resize(count);
    return found;
  }
  std::optional<QueuedDomain> queue_domain(std::string_view name) override {
    for (const QueuedDomain& row : domains)
      if (iequals(row.domain, name)) return row;
    return std::nullopt;
  }
  QueueTotals queue_totals() override {
    QueueTotals totals;
    for (const QueuedDomain& row : domains) {
      ++totals.domains;
      totals.active += row.active;
      totals.delayed += row.delayed;
      totals.in_flight += row.in_flight;
      totals.held += row.held;
    }
    return totals;
  }
  std::unique_ptr<QueueReader> queue_reader(std::string name) override {
    struct Reader final : QueueReader {
      std::vector<QueuedRecipient> rows;
      size_t next = 0;
      std::vector<QueuedRecipient> read(size_t count) override {
        std::vector<QueuedRecipient> some;
        while (some.size() < count && next < rows.size()) some.push_back(rows[next++]);
        return some;
      }
    };
    auto reader = std::make_unique<Reader>();
    for (const QueuedRecipient& row : recipients)
      if (iequals(row.domain, name)) reader->rows.push_back(row);
    return reader;
  }
  std::unique_ptr<Awaited<QueueActed>> act_on_message(const MessageOrder& order) override {
    message_orders.push_back(order);
    return awaited<QueueActed>(acted_on_message);
  }
  std::unique_ptr<QueueErrand> act_on_queue(QueueOrder order) override {
    struct Errand final : QueueErrand {
      std::vector<QueueProgress> steps;
      size_t next = 0;
      QueueProgress progress() override { return steps[std::min(next++, steps.size() - 1)]; }
    };
    queue_orders.push_back(std::move(order));
    auto errand = std::make_unique<Errand>();
    errand->steps = errand_steps;
    return errand;
  }
  bool suspend_queue(const std::string& name, bool on) override {
    return on ? suspended.insert(name).second : suspended.erase(name) > 0;
  }
  std::vector<std::string> suspended_queues() override { return {suspended.begin(), suspended.end()}; }
  std::unique_ptr<CarryErrand> export_messages(ExportOrder order) override {
    exports.push_back(std::move(order));
    return carry_errand();
  }
  std::unique_ptr<CarryErrand> import_messages(ImportOrder order) override {
    imports.push_back(std::move(order));
    return carry_errand();
  }
  std::unique_ptr<CarryErrand> carry_errand() const {
    struct Errand final : CarryErrand {
      CarryProgress progress() override {
        CarryProgress now = steps.front();
        if (steps.size() > 1) steps.erase(steps.begin());
        return now;
      }
      std::vector<CarryProgress> steps;
    };
    auto errand = std::make_unique<Errand>();
    errand->steps = carry_steps;
    return errand;
  }
  // Ready when it is asked for the second time.
  template <class T>
  static std::unique_ptr<Awaited<T>> awaited(Result<T> value) {
    struct Late final : Awaited<T> {
      Result<T>* ready() override { return std::exchange(asked, true) ? &value : nullptr; }
      Result<T> value{};
      bool asked = false;
    };
    auto late = std::make_unique<Late>();
    late->value = std::move(value);
    return late;
  }
  std::unique_ptr<Awaited<bool>> spool_in(MessageId id) override {
    spooled_in.push_back(id);
    return awaited<bool>(spool_in_gives);
  }
  Result<MessageDetails> found(MessageId id) const {
    const auto found = messages.find(id);
    if (found == messages.end()) return fail(Errc::not_found, "no message {}", id.to_string("n1"));
    return found->second;
  }
  std::unique_ptr<Awaited<MessageDetails>> message(MessageId id) override {
    if (broken) throw std::runtime_error("the fake is broken");
    return awaited<MessageDetails>(found(id));
  }
  std::unique_ptr<MessageText> message_text(MessageId id) override {
    struct Text final : MessageText {
      Result<Parts> parts{Parts{}};
      int looks = 0;
      const Result<Parts>* ready() override { return ++looks < 3 ? nullptr : &parts; }
    };
    auto read = std::make_unique<Text>();
    read->parts = text;
    if (const auto there = found(id); !there) read->parts = std::unexpected(there.error());
    return read;
  }
  SpoolStatus spool() override { return spooled; }
  WallTime started() override { return WallTime{std::chrono::hours(24 * 365 * 50)}; }
  std::string node() override { return "n1"; }
  Names& names() override { return named; }
  Process& process() override { return processes; }
  void shut_down() override { ++shut_downs; }

  static constexpr std::string_view default_configuration_text =
      "Hostname = mx.example.com\n"
      "Spoolbase = /var/spool/impulse\n"
      "ESMTP_Listener {\n"
      "  Idle_Time = 120\n"
      "  Peer \"10.0.0.0/16\" { Max_Recipients_Per_Message = 50\n Idle_Time = 30 }\n"
      "  Listen \"*:25\" {\n"
      "    SMTP_Extensions = ( PIPELINING SIZE )\n"
      "    Peer \"10.0.0.1\" { Idle_Time = 5 }\n"
      "  }\n"
      "  Listen \"127.0.0.1:587\" { Enable = false }\n"
      "}\n"
      "Control_Listener { Listen \"/run/impulse/control\" { } }\n"
      "Domain example.com { Gateway = 192.0.2.1 }\n";
  static inline const std::string default_configuration{default_configuration_text};

  std::map<std::string, std::string> files;
  config::Report loaded;
  telemetry::Counters counts;
  FakeProcess processes{counts};
  FakeNames named;
  std::vector<InboundSession> sessions;
  std::vector<ListenStatus> listening;
  std::vector<GenerationSessions> generations;
  telemetry::SmtpTracers tracers;
  std::vector<OutboundConnection> outbound_connections;
  std::vector<std::pair<ListenAct, ListenTarget>> acts;
  Result<std::vector<Endpoint>> acted;  // what act_on_listens gives
  std::vector<QueuedDomain> domains;
  std::vector<QueuedRecipient> recipients;
  std::map<MessageId, MessageDetails> messages;
  Result<MessageText::Parts> text{MessageText::Parts{}};
  std::vector<MessageOrder> message_orders;
  std::vector<ExportOrder> exports;
  std::vector<ImportOrder> imports;
  std::vector<CarryProgress> carry_steps{CarryProgress{.ended = true}};
  std::vector<MessageId> spooled_in;
  Result<bool> spool_in_gives{true};
  Result<QueueActed> acted_on_message;
  std::vector<QueueOrder> queue_orders;
  std::vector<QueueProgress> errand_steps{QueueProgress{0, {}, {}, true}};
  std::set<std::string> suspended;
  SpoolStatus spooled;
  bool broken = false;
  int asked = 0;
  int shut_downs = 0;

 private:
  std::unique_ptr<config::Engine> engine_;
};

inline WallTime test_now() { return WallTime{std::chrono::hours(24 * 365 * 50) + std::chrono::seconds(100)}; }

// A session with its system, and what it says to what it is fed.
struct Console {
  explicit Console(std::string text = FakeSystem::default_configuration) : system(std::move(text)), session(make()) {
    drain();  // the greeting
  }
  std::unique_ptr<Session> make() {
    PeerIdentity peer;
    peer.uid = 1000;
    peer.user = "alice";
    peer.via = "/run/impulse/control";
    return std::make_unique<Session>(system, table, peer, About{"1.2.3", test_now},
                                     [this](const PeerIdentity& who, std::string_view line, const Status& status) {
                                       audited.push_back(who.to_string() + ": " + std::string(line) + " =" +
                                                         std::to_string(static_cast<int>(status.code)));
                                     });
  }
  std::string drain(size_t budget = 1 << 20) {
    std::string out;
    while (session->produce(out, budget)) {
      if (session->works()) {
        ++waits;
        session->release();
      }
    }
    return out;
  }
  // All that is said to these bytes.
  std::string feed(std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
      bytes.remove_prefix(session->feed(bytes));
      out += drain();
    }
    return out;
  }
  std::string operator()(std::string_view line) { return feed(std::string(line) + "\n"); }

  FakeSystem system;
  CommandTable table{all_commands()};
  std::vector<std::string> audited;
  int waits = 0;  // for what an answer was worked on
  std::unique_ptr<Session> session;
};

// The status line of a reply.
inline std::string status_of(const std::string& reply) {
  const size_t end = reply.size() - (reply.ends_with('\n') ? 1 : 0);
  const size_t begin = reply.rfind('\n', end == 0 ? 0 : end - 1);
  return reply.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1));
}

// The payload lines of a reply, without the blank in front.
// Two domains, and three recipients of the first one: active, delayed, held.
inline void fill_queue(Console& console) {
  console.system.domains = {{"a.example", 3, 10, 1, 2, 7, 1}, {"b.example", 20, 0, 0, 0, 0, 0}};
  for (int i = 0; i < 3; ++i) {
    QueuedRecipient row;
    row.id = fmt::format("00000001/0000000{}-n1", i);
    row.sender = "s@example.net";
    row.recipient = "r@a.example";
    row.domain = "a.example";
    row.received = WallTime{std::chrono::seconds(1070244212)};
    row.state = i == 0   ? QueuedRecipient::State::active
                : i == 1 ? QueuedRecipient::State::delayed
                         : QueuedRecipient::State::held;
    console.system.recipients.push_back(row);
  }
}

inline std::vector<std::string> payload_of(const std::string& reply) {
  std::vector<std::string> lines;
  for (const auto line : split(reply, '\n'))
    if (line.starts_with(' ')) lines.emplace_back(line.substr(1));
  return lines;
}

}  // namespace impulse::control::test

#define ASSERT_HOLDS(text, part) CPPUNIT_ASSERT_MESSAGE(text, (text).find(part) != std::string::npos)
