// Accept_Queue_Backlog: listeners whose clients wait for a loop that is blocked.
#include "server/accept_queue.h"
#include "../config/snapshot_kit.h"
#include "../net/certs.h"
#include "plant.h"
#include "server/listeners.h"

#include <condition_variable>
#include <mutex>

using namespace impulse;
using namespace impulse::server;
using namespace impulse::server::test;

namespace {

// Two loops, of which the second one serves nobody until it is let.
class House {
 public:
  explicit House(const std::string& listen, const std::string& options) : listen_(listen) {
    snapshot_ = config::test::snapshot(text(options));
    follow(nullptr);
  }
  ~House() {
    let();
    listeners_.close_all();
    loops_.stop();
  }

  void configure(const std::string& options) {
    const auto before = snapshot_;
    snapshot_ = config::test::next(before, text(options));
    follow(before);
  }
  // The blocked loop begins with those who wait, and is so no more.
  void let() {
    const std::lock_guard lock(mutex_);
    blocked_ = false;
    released_.notify_all();
  }
  uint64_t waiting() const { return listeners_.bound().at(0).waiting; }
  size_t begun() {
    const std::lock_guard lock(mutex_);
    return served_.size() + stuck_;
  }
  bool becomes(uint64_t waiting, size_t begun) {
    const SteadyTime end = steady_now() + std::chrono::seconds(20);
    while (this->waiting() != waiting || this->begun() != begun) {
      if (steady_now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  // What the loop that accepts could do has been done.
  void settle() {
    for (int rounds = 0; rounds < 3; ++rounds) Loops::run_on(*loops_.all().front(), [] {});
  }

 private:
  std::string text(const std::string& options) const {
    return "EventLoop default { Concurrency = 2 }\nESMTP_Listener { Listen \"" + listen_ + "\" { " + options + " } }\n";
  }
  void follow(const config::SnapshotPtr& before) {
    CPPUNIT_ASSERT(listeners_.prepare(before, snapshot_));
    listeners_.apply(snapshot_);
    listeners_.finish();
  }
  void serve(Worker& worker, Incoming incoming) {
    std::unique_lock lock(mutex_);
    if (&worker != loops_.all().front() && blocked_) {
      ++stuck_;
      released_.wait(lock, [this] { return !blocked_; });
      --stuck_;
    }
    served_.push_back(std::move(incoming));
  }

  const std::string listen_;
  net::test::TempDir dir_;
  telemetry::Counters counters_;
  std::unique_ptr<telemetry::Log> log_ = telemetry::Log::open(dir_ / "log").value();
  std::unique_ptr<net::Loop> main_ = net::Loop::create("main").value();
  Loops loops_;
  config::SnapshotPtr snapshot_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable released_;
  bool blocked_ = true;
  size_t stuck_ = 0;
  std::vector<Incoming> served_;
  Listeners listeners_{*main_,
                       loops_,
                       *log_,
                       counters_,
                       [this](Worker& worker, Incoming incoming) { serve(worker, std::move(incoming)); },
                       [](Incoming) {}};
};

class AcceptQueueTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AcceptQueueTest);
  CPPUNIT_TEST(pauses_and_goes_on);
  CPPUNIT_TEST(without_a_bound);
  CPPUNIT_TEST(changes_at_once);
  CPPUNIT_TEST(a_listen_that_goes_serves_all);
  CPPUNIT_TEST(turns);
  CPPUNIT_TEST(a_call_that_is_late);
  CPPUNIT_TEST_SUITE_END();

  const std::string listen_ = "127.0.0.1:" + std::to_string(free_port());
  std::vector<UniqueFd> clients_;

  void come(int count) {
    sockaddr_storage storage{};
    const socklen_t length = Endpoint::parse(listen_, false).value().to_sockaddr(storage);
    for (int i = 0; i < count; ++i) {
      UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      CPPUNIT_ASSERT_EQUAL(0, ::connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), length));
      clients_.push_back(std::move(client));
    }
  }

  // Every second one is for the loop that is blocked: by its first.
  void pauses_and_goes_on() {
    House house(listen_, "Accept_Queue_Backlog = 2");
    come(20);
    CPPUNIT_ASSERT(house.becomes(2, 4));
    house.settle();
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, house.waiting());
    CPPUNIT_ASSERT_EQUAL(size_t{4}, house.begun());  // 14 wait in the kernel
    house.let();
    CPPUNIT_ASSERT(house.becomes(0, 20));
    come(1);
    CPPUNIT_ASSERT(house.becomes(0, 21));
  }
  void without_a_bound() {
    House house(listen_, "");
    come(20);
    CPPUNIT_ASSERT(house.becomes(9, 11));
    house.let();
    CPPUNIT_ASSERT(house.becomes(0, 20));
  }
  void changes_at_once() {
    House house(listen_, "Accept_Queue_Backlog = 1");
    come(20);
    CPPUNIT_ASSERT(house.becomes(1, 3));
    house.configure("Accept_Queue_Backlog = 4");
    CPPUNIT_ASSERT(house.becomes(4, 6));
    house.configure("Accept_Queue_Backlog = 2");  // fewer than wait
    house.settle();
    CPPUNIT_ASSERT(house.becomes(4, 6));
    house.configure("Accept_Queue_Backlog = 5 Events_Per_Iter = 1");  // accepts anew
    CPPUNIT_ASSERT(house.becomes(5, 7));
    house.configure("");
    CPPUNIT_ASSERT(house.becomes(9, 11));
    house.configure("Accept_Queue_Backlog = 3");
    come(1);
    house.settle();
    CPPUNIT_ASSERT(house.becomes(9, 11));  // at the bound when it came
    house.let();
    CPPUNIT_ASSERT(house.becomes(0, 21));
  }
  // Those whom the kernel holds for it are served, whatever the bound.
  void a_listen_that_goes_serves_all() {
    House house(listen_, "Accept_Queue_Backlog = 1");
    come(10);
    CPPUNIT_ASSERT(house.becomes(1, 3));
    house.configure("Enable = false");
    house.let();
    const SteadyTime end = steady_now() + std::chrono::seconds(20);
    while (house.begun() != 10 && steady_now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CPPUNIT_ASSERT_EQUAL(size_t{10}, house.begun());
  }
  // It was posted to the loop that accepted before.
  void a_call_that_is_late() {
    const auto queue = std::make_shared<AcceptQueue>();
    auto old = net::Loop::create("old").value(), fresh = net::Loop::create("new").value();
    std::string said;
    queue->set_bound(2);
    queue->open(*old, [&] { said += "start "; }, [&] { said += "stop "; });
    AcceptQueue::Turn first = queue->join(), second = queue->join();
    first.has_come();  // calls the old one
    queue->close();
    queue->open(*fresh, [&] { said += "begin "; }, [&] { said += "pause "; });
    AcceptQueue::Turn third = queue->join();
    CPPUNIT_ASSERT_EQUAL(std::string("start stop begin pause "), said);
    third.has_come();  // calls the new one
    const auto run = [](net::Loop& loop) {
      loop.post([&] { loop.stop(); });
      loop.run();
    };
    run(*old);
    CPPUNIT_ASSERT_EQUAL(std::string("start stop begin pause "), said);
    run(*fresh);
    CPPUNIT_ASSERT_EQUAL(std::string("start stop begin pause begin "), said);
    queue->close();
  }
  void turns() {
    const auto queue = std::make_shared<AcceptQueue>();
    auto loop = net::Loop::create("turns").value();
    std::string said;
    queue->set_bound(2);
    queue->open(*loop, [&] { said += "start "; }, [&] { said += "stop "; });
    AcceptQueue::Turn first = queue->join(), second = queue->join();
    CPPUNIT_ASSERT_EQUAL(std::string("start stop "), said);
    AcceptQueue::Turn moved = std::move(first);
    first.has_come();  // has nothing any more
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, queue->waiting());
    moved = std::move(second);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, queue->waiting());
    loop->post([&] { loop->stop(); });
    loop->run();
    CPPUNIT_ASSERT_EQUAL(std::string("start stop start "), said);
    queue->close();
    queue->set_bound(1);
    moved = {};
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, queue->waiting());
    CPPUNIT_ASSERT_EQUAL(std::string("start stop start stop "), said);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AcceptQueueTest);

}  // namespace
