#include "net/loop.h"
#include "kit.h"

#include <sys/resource.h>

#include <csignal>
#include <thread>
#include <vector>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

namespace {

class LoopTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LoopTest);
  CPPUNIT_TEST(posts_run_in_order_on_the_loops_thread);
  CPPUNIT_TEST(posts_of_many_threads_all_run_each_in_its_order);
  CPPUNIT_TEST(a_post_from_a_post_runs_in_a_later_round);
  CPPUNIT_TEST(posting_for_ever_does_not_starve_timers);
  CPPUNIT_TEST(stop_runs_what_was_posted_before_and_not_after);
  CPPUNIT_TEST(stop_before_run);
  CPPUNIT_TEST(unrun_posts_are_destroyed_with_the_loop);
  CPPUNIT_TEST(now_stands_still_within_a_callback);
  CPPUNIT_TEST(the_longest_round_is_that_of_all_its_callbacks);
  CPPUNIT_TEST(timers_fire_in_order_once);
  CPPUNIT_TEST(timer_restart_and_stop);
  CPPUNIT_TEST(timer_destroys_itself);
  CPPUNIT_TEST(thousands_of_durations);
  CPPUNIT_TEST(many_timers_with_one_duration);
  CPPUNIT_TEST(read_watch_is_level_triggered_and_may_destroy_itself);
  CPPUNIT_TEST(signals);
  CPPUNIT_TEST(no_descriptors_left);
  CPPUNIT_TEST_SUITE_END();

  void posts_run_in_order_on_the_loops_thread() {
    auto loop = make_loop();
    CPPUNIT_ASSERT(!loop->in_loop_thread());
    CPPUNIT_ASSERT_EQUAL(std::string("test"), loop->name());
    std::vector<int> order;
    bool inside = false;
    for (int i = 0; i < 3; ++i) loop->post([&, i] { order.push_back(i); });
    loop->post([&] { inside = loop->in_loop_thread(); });
    loop->stop();
    std::thread thread([&] { loop->run(); });
    thread.join();
    CPPUNIT_ASSERT(order == (std::vector<int>{0, 1, 2}));
    CPPUNIT_ASSERT(inside);
    CPPUNIT_ASSERT(!loop->in_loop_thread());
  }

  void posts_of_many_threads_all_run_each_in_its_order() {
    auto loop = make_loop();
    constexpr int threads = 8, each = 5000;
    std::vector<int> next(threads, 0);  // written by the loop's thread only
    bool ordered = true;
    int total = 0;
    std::thread runner([&] { loop->run(); });
    std::vector<std::thread> posters;
    for (int t = 0; t < threads; ++t)
      posters.emplace_back([&, t] {
        for (int i = 0; i < each; ++i)
          loop->post([&, t, i] {
            ordered = ordered && next[t]++ == i;
            ++total;
          });
      });
    for (auto& poster : posters) poster.join();
    loop->stop();
    runner.join();
    CPPUNIT_ASSERT_EQUAL(threads * each, total);
    CPPUNIT_ASSERT(ordered);
  }

  void a_post_from_a_post_runs_in_a_later_round() {
    auto loop = make_loop();
    std::string order;
    loop->post([&] {
      loop->post([&] { order += 'c'; });
      order += 'a';
    });
    loop->post([&] { order += 'b'; });
    run_until(*loop, [&] { return order.size() == 3; });
    CPPUNIT_ASSERT_EQUAL(std::string("abc"), order);
  }

  void posting_for_ever_does_not_starve_timers() {
    auto loop = make_loop();
    bool fired = false;
    std::function<void()> again = [&] {
      if (!fired) loop->post(again);
    };
    loop->post(again);
    Timer timer(*loop, [&] { fired = true; });
    timer.start(5ms);
    run_until(*loop, [&] { return fired; });
  }

  void stop_runs_what_was_posted_before_and_not_after() {
    auto loop = make_loop();
    int before = 0, after = 0;
    loop->post([&] {
      ++before;
      loop->stop();
      loop->post([&] { ++after; });
    });
    loop->post([&] { ++before; });
    loop->run();
    CPPUNIT_ASSERT_EQUAL(2, before);
    const int left = after;
    loop->stop();
    loop->run();  // what was left waits for the next run
    CPPUNIT_ASSERT_EQUAL(1, after);
    CPPUNIT_ASSERT(left <= 1);
  }

  void stop_before_run() {
    auto loop = make_loop();
    loop->stop();
    loop->run();
    loop->stop();
    loop->run();
  }

  void unrun_posts_are_destroyed_with_the_loop() {
    auto loop = make_loop();
    auto held = std::make_shared<int>(1);
    struct PostsWhenDestroyed {
      Loop* loop;
      std::shared_ptr<int> held;
      ~PostsWhenDestroyed() {
        loop->post([held = held] {});
      }
    };
    // Owns a timer of this very loop, and posts again when it goes.
    auto timer = std::make_shared<Timer>(*loop, [] {});
    timer->start(1h);
    loop->post([poster = std::shared_ptr<PostsWhenDestroyed>(new PostsWhenDestroyed{loop.get(), held}),
                timer = std::move(timer)] {});
    loop.reset();
    CPPUNIT_ASSERT_EQUAL(1L, held.use_count());
  }

  void now_stands_still_within_a_callback() {
    auto loop = make_loop();
    SteadyTime first, second, later;
    Timer timer(*loop, [&] { later = loop->now(); });
    loop->post([&] {
      first = loop->now();
      const auto start = steady_now();
      while (steady_now() - start < 3ms) {
      }
      second = loop->now();
      timer.start(1ms);  // here, so that it cannot be due in this round
    });
    run_until(*loop, [&] { return later != SteadyTime{}; });
    CPPUNIT_ASSERT(first == second);
    CPPUNIT_ASSERT(later > first);
  }

  void the_longest_round_is_that_of_all_its_callbacks() {
    auto loop = make_loop();
    const auto busy = [] {
      const auto start = steady_now();
      while (steady_now() - start < 3ms) {
      }
    };
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, loop->longest_round.load());
    loop->post(busy);
    loop->post(busy);
    Timer timer(*loop, [&] { loop->stop(); });
    timer.start(2ms);
    loop->run();
    CPPUNIT_ASSERT(loop->longest_round.load() >= 6000);
  }

  void timers_fire_in_order_once() {
    auto loop = make_loop();
    std::string order;
    Timer c(*loop, [&] { order += 'c'; }), a(*loop, [&] { order += 'a'; }), b(*loop, [&] { order += 'b'; });
    bool runs = false;
    loop->post([&] {  // where the time stands still
      c.start(30ms);
      a.start(0us);
      b.start(10ms);
      runs = a.running();
    });
    run_until(*loop, [&] { return order.size() == 3; });
    CPPUNIT_ASSERT_EQUAL(std::string("abc"), order);
    CPPUNIT_ASSERT(runs);
    CPPUNIT_ASSERT(!a.running() && !b.running() && !c.running());
  }

  void timer_restart_and_stop() {
    auto loop = make_loop();
    int fired = 0;
    bool end = false;
    Timer timer(*loop, [&] { ++fired; }), last(*loop, [&] { end = true; });
    timer.start(1h);
    timer.start(1ms);  // the new time counts
    run_until(*loop, [&] { return fired == 1; });
    for (int i = 0; i < 20; ++i) {  // also with the shared queue of a common duration
      timer.start(1ms);
      timer.stop();
    }
    CPPUNIT_ASSERT(!timer.running());
    {
      Timer gone(*loop, [&] { fired += 100; });
      gone.start(1ms);
    }
    last.start(5ms);
    run_until(*loop, [&] { return end; });
    CPPUNIT_ASSERT_EQUAL(1, fired);
  }

  void timer_destroys_itself() {
    auto loop = make_loop();
    auto text = std::make_shared<std::string>("alive");
    std::unique_ptr<Timer> timer;
    std::string seen;
    timer = std::make_unique<Timer>(*loop, [&timer, &seen, text] {
      timer.reset();
      seen = *text;  // the closure must still be there
    });
    timer->start(0us);
    run_until(*loop, [&] { return !timer; });
    CPPUNIT_ASSERT_EQUAL(std::string("alive"), seen);
  }

  void thousands_of_durations() {
    // More than libevent has common queues for, each often enough to ask for one.
    auto loop = make_loop();
    Timer timer(*loop, [] {});
    for (int round = 0; round < 12; ++round)
      for (int i = 1; i < 1500; ++i) timer.start(std::chrono::milliseconds(i) + 1h);
    int fired = 0;
    std::vector<std::unique_ptr<Timer>> timers;
    for (int i = 0; i < 400; ++i) {
      timers.push_back(std::make_unique<Timer>(*loop, [&] { ++fired; }));
      timers.back()->start(std::chrono::microseconds(i % 300 * 10));
    }
    run_until(*loop, [&] { return fired == 400; });
    CPPUNIT_ASSERT(timer.running());
  }

  void many_timers_with_one_duration() {
    auto loop = make_loop();
    std::vector<int> order;
    std::vector<std::unique_ptr<Timer>> timers;
    for (int i = 0; i < 2000; ++i) {
      timers.push_back(std::make_unique<Timer>(*loop, [&, i] { order.push_back(i); }));
      timers.back()->start(20ms);
    }
    timers[7]->stop();
    timers[9]->start(20ms);  // goes to the end
    timers.erase(timers.begin() + 11);
    run_until(*loop, [&] { return order.size() == 1998; });
    CPPUNIT_ASSERT(std::find(order.begin(), order.end(), 7) == order.end());
    CPPUNIT_ASSERT(std::find(order.begin(), order.end(), 11) == order.end());
  }

  void read_watch_is_level_triggered_and_may_destroy_itself() {
    auto loop = make_loop();
    int pipe_fds[2];
    CPPUNIT_ASSERT_EQUAL(0, ::pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC));
    UniqueFd in(pipe_fds[0]), out(pipe_fds[1]);
    int calls = 0;
    std::unique_ptr<ReadWatch> watch;
    watch = std::make_unique<ReadWatch>(*loop, in.get(), [&] {
      char byte = 0;
      CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(in.get(), &byte, 1));
      if (++calls == 3) watch.reset();
    });
    CPPUNIT_ASSERT_EQUAL(ssize_t{4}, ::write(out.get(), "abcd", 4));
    run_until(*loop, [&] { return !watch; });
    spin(*loop);
    CPPUNIT_ASSERT_EQUAL(3, calls);
  }

  void signals() {
    auto loop = make_loop();
    int caught = 0;
    {
      SignalWatch watch(*loop, SIGUSR1, [&] { ++caught; });
      ::raise(SIGUSR1);
      run_until(*loop, [&] { return caught == 1; });
      ::raise(SIGUSR1);
      run_until(*loop, [&] { return caught == 2; });
    }
    auto other = make_loop();  // the next loop may have them when the first is done
    loop.reset();
    SignalWatch watch(*other, SIGUSR1, [&] { ++caught; });
    ::raise(SIGUSR1);
    run_until(*other, [&] { return caught == 3; });
  }

  void no_descriptors_left() {
    // Symptom: libevent called exit().
    const int spare = ::dup(0);
    ::close(spare);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    for (rlim_t more = 0; more < 5; ++more) {
      rlimit tight = before;
      tight.rlim_cur = static_cast<rlim_t>(spare) + more;
      ::setrlimit(RLIMIT_NOFILE, &tight);
      const auto loop = Loop::create("none");
      ::setrlimit(RLIMIT_NOFILE, &before);
      CPPUNIT_ASSERT(!loop);
      CPPUNIT_ASSERT(loop.error().code == Errc::no_files);
      CPPUNIT_ASSERT(loop.error().message.ends_with("Too many open files"));
    }
    make_loop();
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LoopTest);

}  // namespace
