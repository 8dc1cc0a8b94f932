// spool_in: a message of the spool that is in no queue comes into it, once,
// whoever else is at it.
#include "house.h"
#include "spool_before.h"

#include <atomic>
#include <condition_variable>
#include <thread>

namespace impulse::delivery {
namespace {

using test::House;
using test::There;

// The first look at a message is an old one: it was taken, and waits, while others look.
class OldLook final : public test::SpoolBefore {
 public:
  using SpoolBefore::SpoolBefore;
  Result<spool::Summary> summary(MessageId id) const override {
    auto found = SpoolBefore::summary(id);
    if (!slow.exchange(false)) return found;
    std::unique_lock lock(mutex_);
    waits_ = true;
    changed_.wait_for(lock, std::chrono::seconds(60), [this] { return !waits_; });
    return found;
  }

  bool waits() const {
    const std::lock_guard lock(mutex_);
    return waits_;
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    waits_ = false;
    changed_.notify_all();
  }
  mutable std::atomic<bool> slow = false;  // the next look

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool waits_ = false;
};

class SpoolInTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SpoolInTest);
  CPPUNIT_TEST(queued_and_delivered_once);
  CPPUNIT_TEST(only_who_still_waits);
  CPPUNIT_TEST(twice_at_a_time);
  CPPUNIT_TEST(delivered_while_another_looks);
  CPPUNIT_TEST(what_a_start_brings_comes_once);
  CPPUNIT_TEST_SUITE_END();

  static constexpr const char* ways =
      "Domain \"a.example\" { Delivery_Method = maildir Maildir_Path = \"./%{domain}/%{localpart}\" }\n"
      "Domain \"hole.example\" { Delivery_Method = blackhole }\n";

  // Into the spool alone.
  static MessageId store(const House& house, const std::vector<std::string>& recipients) {
    return house.store(test::envelope("s@x.example", recipients));
  }
  // "queued", "there", or why not.
  static std::string text(const Result<bool>& result) {
    if (!result) return result.error().code == Errc::not_found ? "not found" : result.error().message;
    return *result ? "queued" : "there";
  }
  static std::string spool_in(House& house, MessageId id) {
    std::string said;
    house.dispatcher->spool_in(id, [&](const Result<bool>& result) { said = text(result); });
    house.run_until([&] { return !said.empty(); }, "an answer");
    return said;
  }

  void queued_and_delivered_once() {
    House house(ways);
    const There there(house);
    house.dispatcher->start();
    CPPUNIT_ASSERT_EQUAL(std::string("not found"), spool_in(house, {1, 64}));
    const MessageId id = store(house, {"one@a.example", "two@a.example"});
    net::test::spin(*house.loop);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->size());
    CPPUNIT_ASSERT_EQUAL(std::string("queued"), spool_in(house, id));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(std::string("not found"), spool_in(house, id));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->size());
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
    for (const char* user : {"a.example/one", "a.example/two"})
      CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir(user).size());
  }

  // As it stands in the spool: who has an outcome gets nothing, who is held stays so.
  void only_who_still_waits() {
    House house(ways);
    const There there(house);
    const MessageId id = store(house, {"one@a.example", "two@a.example", "three@a.example"});
    house.spool->record(id, 0, {spool::State::delivered, 1, {}, {}}, nullptr);
    house.spool->record(id, 1, {spool::State::pending, 2, queue::on_hold, {}}, nullptr);
    house.dispatcher->start();
    CPPUNIT_ASSERT_EQUAL(std::string("queued"), spool_in(house, id));
    house.run_until([&] { return house.lines('D') == 1; }, "the delivery");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/three").size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->totals().held);
    CPPUNIT_ASSERT_EQUAL(std::string("there"), spool_in(house, id));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->size());
  }

  void twice_at_a_time() {
    House house(ways);
    const There there(house);
    house.dispatcher->start();
    const MessageId id = store(house, {"one@a.example"});
    std::vector<std::string> said;
    for (int i = 0; i < 5; ++i)
      house.dispatcher->spool_in(id, [&](const Result<bool>& result) { said.push_back(text(result)); });
    house.run_until([&] { return said.size() == 5; }, "all answers");
    CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{1}, std::count(said.begin(), said.end(), "queued"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
  }

  void delivered_while_another_looks() {
    OldLook* disk = nullptr;
    House house(ways, [&](std::unique_ptr<spool::Spool> real) {
      auto made = std::make_unique<OldLook>(std::move(real));
      disk = made.get();
      return made;
    });
    const There there(house);
    house.dispatcher->start();
    const MessageId id = store(house, {"one@a.example"});
    disk->slow = true;
    std::string first;
    house.dispatcher->spool_in(id, [&](const Result<bool>& result) { first = text(result); });
    house.run_until([&] { return disk->waits(); }, "a look");
    CPPUNIT_ASSERT_EQUAL(std::string("queued"), spool_in(house, id));
    house.run_until_empty();
    CPPUNIT_ASSERT(first.empty());
    disk->go_on();
    house.run_until([&] { return !first.empty(); }, "the first answer");
    CPPUNIT_ASSERT_EQUAL(std::string("not found"), first);
    net::test::spin(*house.loop);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
  }

  // It stands behind others of a start, who come first: it must not overtake itself.
  void what_a_start_brings_comes_once() {
    constexpr uint32_t others = 200, recipients = 1000;
    House house(ways);
    const There there(house);
    house.dispatcher->start();
    const MessageId id = store(house, {"one@hole.example"});
    std::vector<spool::Summary> messages;
    for (uint32_t i = 0; i < others; ++i) {
      spool::Summary& message = messages.emplace_back();
      message.id = {1, 64 + i * 8};
      message.envelope.recipients.assign(recipients, {"u@hole.example"});
      message.states.assign(recipients, {spool::State::delivered, 1, {}, {}});
    }
    messages.push_back(house.spool->summary(id).value());
    bool queued = false;
    std::string said;
    house.dispatcher->enqueue_all(std::move(messages), [&] { queued = true; });
    house.dispatcher->spool_in(id, [&](const Result<bool>& result) { said = text(result); });
    // The others take their time, so that one that came at once would be gone before their end.
    const std::function<void()> brake = [&] {
      if (queued || said == "there" || house.lines('D') > 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      house.loop->post(brake);
    };
    house.loop->post(brake);
    house.run_until([&] { return queued && !said.empty(); }, "all of them");
    house.run_until_empty();
    net::test::spin(*house.loop);
    CPPUNIT_ASSERT_EQUAL(std::string("there"), said);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SpoolInTest);

}  // namespace
}  // namespace impulse::delivery
