// spool_bench: how many messages a second the spool makes durable. N threads
// in closed loop (each hands the next message over when its last one is on
// stable storage), by message size; and, with --batch, N messages at a time that
// become durable as one, beside the same singly. Finished messages are reported delivered,
// as the daemon does, so that segments come and go.
//
//   spool_bench FOLDER [seconds] [--no-fsync] [--batch N] [--threads 1,4,20,100] [--sizes 1024,10240,102400]
#include "base/files.h"
#include "spool/spool.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

using namespace impulse;

namespace {

struct Outcome {
  double messages = 0;  // a second
  double batches = 0;   // a second
  double median = 0;    // microseconds from commit to done
  double worst = 0;     // 99th percentile
};

std::shared_ptr<spool::Incoming> make(const std::string& body) {
  auto message = std::make_shared<spool::Incoming>();
  message->envelope.sender = "sender@example.com";
  message->envelope.recipients.emplace_back().address = "recipient@example.net";
  message->envelope.received = wall_now();
  message->body.append(body);
  return message;
}

using Ids = Result<std::vector<MessageId>>;

// One message, or a batch of them with a receipt, as ECStream has it; waits.
Ids hand_in(spool::Spool& spool, const std::string& body, unsigned batch, unsigned thread) {
  std::binary_semaphore done(0);
  Ids ids;
  if (batch == 0) {
    spool.commit(make(body), [&](Result<MessageId> id) {
      ids = id ? Ids(std::vector{*id}) : std::unexpected(id.error());
      done.release();
    });
    done.acquire();
    return ids;
  }
  auto begun = spool.begin_batch();
  if (!begun) return std::unexpected(begun.error());
  for (unsigned i = 0; i < batch; ++i) {
    if ((*begun)->full()) {
      (*begun)->on_room([&] { done.release(); });
      done.acquire();
    }
    if (auto added = (*begun)->add(make(body)); !added) return std::unexpected(added.error());
  }
  (*begun)->commit(spool::Receipt{"bench", std::to_string(thread), "1", wall_now() + std::chrono::hours(1)},
                   [&](Ids result) {
                     ids = std::move(result);
                     done.release();
                   });
  done.acquire();
  return ids;
}

Outcome measure(spool::Spool& spool, unsigned threads, size_t size, unsigned batch, double seconds) {
  std::string body;
  while (body.size() < size)
    body += "All work and no play makes a dull message of seventy-eight characters a line.\r\n";
  body.resize(size);
  std::atomic<bool> stop{false};
  std::vector<std::vector<float>> latencies(threads);
  std::vector<std::thread> pool;
  const auto before = spool.status();
  const auto start = steady_now();
  for (unsigned t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      while (!stop.load(std::memory_order_relaxed)) {
        const auto begin = steady_now();
        const Ids ids = hand_in(spool, body, batch, t);
        if (!ids) {
          std::fprintf(stderr, "refused: %s\n", ids.error().message.c_str());
          stop = true;
          return;
        }
        latencies[t].push_back(std::chrono::duration<float, std::micro>(steady_now() - begin).count());
        for (const MessageId id : *ids) spool.record(id, 0, {spool::State::delivered, 1, {}, {}});
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (auto& thread : pool) thread.join();
  const double took = std::chrono::duration<double>(steady_now() - start).count();
  const auto after = spool.status();
  std::vector<float> all;
  for (const auto& part : latencies) all.insert(all.end(), part.begin(), part.end());
  if (all.empty()) return {};
  const auto at = [&](double share) {
    const auto place = all.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), place, all.end());
    return static_cast<double>(*place);
  };
  return {static_cast<double>(after.committed - before.committed) / took,
          static_cast<double>(after.commits - before.commits) / took, at(0.5), at(0.99)};
}

// Numbers with commas between them.
std::vector<unsigned> numbers(const char* text) {
  std::vector<unsigned> found;
  for (char* at = const_cast<char*>(text); *at != '\0'; at += *at == ',' ? 1 : 0) {
    found.push_back(static_cast<unsigned>(std::max(1UL, std::strtoul(at, &at, 10))));
    if (*at != ',' && *at != '\0') break;
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: spool_bench FOLDER [seconds] [--no-fsync] [--batch N] [--threads N,…] [--sizes N,…]\n");
    return 2;
  }
  spool::Settings settings;
  settings.base = fmt::format("{}/spool-bench.{}", argv[1], ::getpid());
  double seconds = 2;
  std::vector<unsigned> batches = {0}, all_threads = {1, 4, 20, 100}, sizes = {1024, 10240, 102400};
  for (int i = 2; i < argc; ++i) {
    if (std::strcmp(argv[i], "--no-fsync") == 0)
      settings.force_fsync = false;
    else if (std::strcmp(argv[i], "--batch") == 0 && i + 1 < argc)
      batches.push_back(static_cast<unsigned>(std::max(1, std::atoi(argv[++i]))));
    else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
      all_threads = numbers(argv[++i]);
    else if (std::strcmp(argv[i], "--sizes") == 0 && i + 1 < argc)
      sizes = numbers(argv[++i]);
    else
      seconds = std::max(0.1, std::atof(argv[i]));
  }
  int status = 0;
  std::printf("%8s %8s %8s %12s %10s %10s %10s %10s\n", "size", "threads", "batch", "messages/s", "MB/s", "syncs/s",
              "median us", "99% us");
  for (const size_t size : sizes) {
    for (const unsigned threads : all_threads) {
      for (const unsigned batch : batches) {
        auto spool = spool::Spool::open(settings, "bench", nullptr, [](std::string_view line) {
          std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
        });
        if (!spool) {
          std::fprintf(stderr, "%s\n", spool.error().message.c_str());
          return 1;
        }
        const Outcome outcome = measure(**spool, threads, size, batch, seconds);
        if (outcome.messages == 0) status = 1;
        std::printf("%8zu %8u %8u %12.0f %10.1f %10.0f %10.0f %10.0f\n", size, threads, std::max(batch, 1U),
                    outcome.messages, outcome.messages * static_cast<double>(size) / 1e6, outcome.batches,
                    outcome.median, outcome.worst);
        std::fflush(stdout);
      }
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(settings.base, ignored);
  return status;
}
