// Resolver: what the DNS says of a name, remembered for as long as the DNS
// allows. Negative answers and failures are remembered too, for less. Loop
// thread.
#pragma once

#include "base/clock.h"
#include "dns/channel.h"
#include "dns/hosts_file.h"
#include "dns/message.h"
#include "dns/resolv_conf.h"
#include "net/loop.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impulse::dns {

struct Answer {
  enum class Status : uint8_t {
    found,
    no_data,  // the name is there, and has no such records
    no_name,  // NXDOMAIN, or no name that could be asked for
    failed,   // nobody knows now: time-out, SERVFAIL, a loop of aliases
  };
  Status status = Status::failed;
  std::string problem;  // not found: one line that names what was asked for
  std::string name;     // whose records they are, behind aliases
  std::vector<IpAddress> addresses;
  std::vector<Exchange> exchanges;  // by preference
  SteadyTime since{};
  SteadyTime until{};  // then it is forgotten
};
using AnswerPtr = std::shared_ptr<const Answer>;

// How long what is kept, whatever the DNS says.
struct Limits {
  Duration longest = std::chrono::hours(24);
  Duration longest_negative = std::chrono::hours(1);
  Duration shortest = std::chrono::seconds(1);
  Duration negative = std::chrono::seconds(60);  // where there is no SOA
  Duration failure = std::chrono::seconds(5);    // RFC 9520 §3.2
  size_t answers = 50000;                        // the oldest go first
  size_t questions = 500;                        // at a time; others wait
};

struct Statistics {
  uint64_t mx = 0, a = 0, aaaa = 0;  // questions sent
  uint64_t answers = 0, bad = 0;     // to those; of which failures
  uint64_t lookups = 0, hits = 0;    // by us; from what is remembered
};

// What is remembered of one question.
struct Remembered {
  std::string name;
  Type type = Type::a;
  AnswerPtr answer;
};

// For addresses of a host.
struct HostWish {
  bool ipv6 = true;
  bool search = false;  // short names are completed by `search` of resolv.conf
  Duration max_age{0};  // above 0: an answer is good for so long, whatever its TTL
};

class Resolver {
 public:
  using Reply = std::function<void(AnswerPtr)>;
  using MakeTransport = std::function<Result<std::unique_ptr<Transport>>(net::Loop&, const ResolvConf&)>;

  explicit Resolver(net::Loop& loop, std::string hosts = "/etc/hosts", Limits limits = {},
                    MakeTransport make = make_channel);
  ~Resolver();  // no reply comes after this
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // What is being asked for is asked for again. The same again changes nothing.
  // Before the first call, and after one that failed, every question fails.
  Result<> configure(ResolvConf conf);

  // `reply` comes later, on the loop; who asks for what is being asked for
  // shares the answer. Case and a dot at the end do not matter. With `max_age`
  // above 0 an answer is good for so long, whatever its TTL.
  void query(std::string_view name, Type type, Reply reply, Duration max_age = Duration{0});
  // Addresses: literals, hosts file, DNS; IPv6 and IPv4 by turns, an IPv6
  // address only where this machine has a way there. `name` in the answer is
  // what the addresses were found for.
  void host(std::string_view name, HostWish wish, Reply reply);

  // Null: not remembered, or no longer true.
  AnswerPtr remembered(std::string_view name, Type type);
  std::vector<Remembered> list(size_t limit) const;  // the latest used first
  size_t size() const { return cache_.size(); }
  // Forgets a name, or ("") all; how many answers that were.
  size_t flush(std::string_view name);
  const Statistics& statistics() const { return statistics_; }
  const ResolvConf& conf() const { return conf_; }

 private:
  struct Key {
    std::string name;
    Type type;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string>()(key.name) * 31 + static_cast<size_t>(key.type);
    }
  };
  // Its way through aliases that the name server did not follow.
  struct Question {
    Key key;
    std::string name;  // asked for now
    unsigned aliases = 0;
    uint32_t ttl = UINT32_MAX;  // of the aliases
  };
  struct HostSearch;

  static AnswerPtr make(Answer::Status status, const Key& key, std::string_view why);
  AnswerPtr fresh(const Key& key, Duration max_age);
  void reply_later(Reply reply, AnswerPtr answer);
  void ask(std::shared_ptr<Question> question);
  void send(std::shared_ptr<Question> question);
  void came(const std::shared_ptr<Question>& question, Result<std::vector<uint8_t>> bytes);
  void take(const std::shared_ptr<Question>& question, Message message);
  void done(const Key& key, std::shared_ptr<Answer> answer, Duration keep);
  void next_question();
  void search_on(const std::shared_ptr<HostSearch>& search);
  void found_host(const std::shared_ptr<HostSearch>& search);

  net::Loop& loop_;
  const Limits limits_;
  const MakeTransport make_transport_;
  HostsFile hosts_;
  ResolvConf conf_;
  std::unique_ptr<Transport> transport_;
  Statistics statistics_;
  std::list<Remembered> used_;  // the latest first
  std::unordered_map<Key, std::list<Remembered>::iterator, KeyHash> cache_;
  std::unordered_map<Key, std::vector<Reply>, KeyHash> waiting_;
  std::deque<std::shared_ptr<Question>> to_ask_;
  size_t open_ = 0;  // questions at the transport
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::dns
