// The memory of answers, and the way to a new one: question, aliases, answer.
#include "dns/resolver.h"

#include "base/text.h"

#include <algorithm>
#include <utility>

namespace impulse::dns {
namespace {

constexpr unsigned max_aliases = 8;  // that we follow ourselves, one question each

std::string canonical(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return lower(name);
}

}  // namespace

Resolver::Resolver(net::Loop& loop, std::string hosts, Limits limits, MakeTransport make)
    : loop_(loop), limits_(limits), make_transport_(std::move(make)), hosts_(std::move(hosts)) {}

Resolver::~Resolver() {
  alive_.reset();  // before the transport, whose questions end with it
  transport_.reset();
}

Result<> Resolver::configure(ResolvConf conf) {
  if (transport_ && conf == conf_) return {};
  auto transport = make_transport_(loop_, conf);
  if (!transport) return std::unexpected(transport.error());
  conf_ = std::move(conf);
  // The old one's open questions come back, and are asked again.
  std::swap(transport_, *transport);
  // What one name server could not say another may.
  std::erase_if(used_, [this](const Remembered& each) {
    const bool failed = each.answer->status == Answer::Status::failed;
    if (failed) cache_.erase({each.name, each.type});
    return failed;
  });
  return {};
}

AnswerPtr Resolver::make(Answer::Status status, const Key& key, std::string_view why) {
  auto answer = std::make_shared<Answer>();
  answer->status = status;
  answer->name = key.name;
  answer->problem = fmt::format("{} of {}: {}", type_name(key.type), escape_line(key.name, 256), why);
  return answer;
}

AnswerPtr Resolver::fresh(const Key& key, Duration max_age) {
  const auto found = cache_.find(key);
  if (found == cache_.end()) return nullptr;
  const AnswerPtr& answer = found->second->answer;
  const bool aged = max_age > Duration{0} && answer->status == Answer::Status::found;
  if (steady_now() >= (aged ? answer->since + max_age : answer->until)) return nullptr;
  used_.splice(used_.begin(), used_, found->second);
  return answer;
}

AnswerPtr Resolver::remembered(std::string_view name, Type type) { return fresh({canonical(name), type}, {}); }

void Resolver::reply_later(Reply reply, AnswerPtr answer) {
  loop_.post([weak = std::weak_ptr(alive_), reply = std::move(reply), answer = std::move(answer)] {
    if (!weak.expired()) reply(answer);
  });
}

void Resolver::query(std::string_view name, Type type, Reply reply, Duration max_age) {
  ++statistics_.lookups;
  const Key key{canonical(name), type};
  if (!is_host_name(key.name))
    return reply_later(std::move(reply), make(Answer::Status::no_name, key, "no such name can be"));
  if (AnswerPtr answer = fresh(key, max_age)) {
    ++statistics_.hits;
    return reply_later(std::move(reply), std::move(answer));
  }
  auto& waiting = waiting_[key];
  waiting.push_back(std::move(reply));
  if (waiting.size() > 1) return;
  auto question = std::make_shared<Question>();
  question->key = key;
  question->name = key.name;
  ask(std::move(question));
}

void Resolver::ask(std::shared_ptr<Question> question) {
  to_ask_.push_back(std::move(question));
  next_question();
}

void Resolver::next_question() {
  while (!to_ask_.empty() && open_ < limits_.questions) {
    auto question = std::move(to_ask_.front());
    to_ask_.pop_front();
    send(std::move(question));
  }
}

void Resolver::send(std::shared_ptr<Question> question) {
  ++open_;
  const Type type = question->key.type;
  ++(type == Type::mx ? statistics_.mx : type == Type::a ? statistics_.a : statistics_.aaaa);
  // The transport may answer from inside ask(), and from inside its own end.
  auto reply = [this, weak = std::weak_ptr(alive_), question](Result<std::vector<uint8_t>> bytes) {
    if (weak.expired()) return;
    loop_.post([this, weak, question, bytes = std::move(bytes)]() mutable {
      if (!weak.expired()) came(question, std::move(bytes));
    });
  };
  if (!transport_) return reply(fail(Errc::busy, "there is no resolver (Resolv_Conf)"));
  transport_->ask(question->name, type, std::move(reply));
}

void Resolver::came(const std::shared_ptr<Question>& question, Result<std::vector<uint8_t>> bytes) {
  --open_;
  if (!bytes && bytes.error().code == Errc::unavailable) return ask(question);  // another transport has come
  ++statistics_.answers;
  auto message = bytes ? parse(*bytes, question->name, question->key.type) : std::unexpected(bytes.error());
  if (message) {
    take(question, std::move(*message));
  } else {
    ++statistics_.bad;
    auto answer = std::make_shared<Answer>(*make(Answer::Status::failed, question->key, message.error().message));
    done(question->key, std::move(answer), limits_.failure);
  }
  next_question();
}

void Resolver::take(const std::shared_ptr<Question>& question, Message message) {
  const Key& key = question->key;
  if (message.ttl) message.ttl = std::min(*message.ttl, question->ttl);
  if (message.kind == Message::Kind::alias) {
    question->name = std::move(message.name);
    question->ttl = message.ttl.value_or(0);
    if (++question->aliases <= max_aliases) return ask(question);
    auto answer =
        std::make_shared<Answer>(*make(Answer::Status::failed, key, "a loop of aliases (CNAME), or too many of them"));
    return done(key, std::move(answer), limits_.failure);
  }
  const auto keep = [&](Duration otherwise, Duration longest) {
    return std::clamp(message.ttl ? std::chrono::seconds(*message.ttl) : otherwise, limits_.shortest, longest);
  };
  if (message.kind == Message::Kind::records) {
    auto answer = std::make_shared<Answer>();
    answer->status = Answer::Status::found;
    answer->name = std::move(message.name);
    answer->addresses = std::move(message.addresses);
    answer->exchanges = std::move(message.exchanges);
    return done(key, std::move(answer), keep(limits_.shortest, limits_.longest));
  }
  const bool no_name = message.kind == Message::Kind::no_name;
  auto answer = std::make_shared<Answer>(*make(no_name ? Answer::Status::no_name : Answer::Status::no_data, key,
                                               no_name ? "there is no such name (NXDOMAIN)" : "there are none"));
  answer->name = std::move(message.name);
  done(key, std::move(answer), keep(limits_.negative, limits_.longest_negative));
}

void Resolver::done(const Key& key, std::shared_ptr<Answer> answer, Duration keep) {
  answer->since = steady_now();
  answer->until = answer->since + keep;
  if (const auto old = cache_.find(key); old != cache_.end()) {
    used_.erase(old->second);
    cache_.erase(old);
  }
  used_.push_front({key.name, key.type, answer});
  cache_.emplace(key, used_.begin());
  if (cache_.size() > limits_.answers) {
    cache_.erase({used_.back().name, used_.back().type});
    used_.pop_back();
  }
  auto node = waiting_.extract(key);
  if (node.empty()) return;
  for (Reply& reply : node.mapped()) reply_later(std::move(reply), answer);
}

std::vector<Remembered> Resolver::list(size_t limit) const {
  std::vector<Remembered> found;
  const SteadyTime now = steady_now();
  for (const Remembered& each : used_) {
    if (found.size() >= limit) break;
    if (now < each.answer->until) found.push_back(each);
  }
  return found;
}

size_t Resolver::flush(std::string_view name) {
  const std::string wanted = canonical(name);
  return std::erase_if(used_, [&](const Remembered& each) {
    if (!wanted.empty() && each.name != wanted) return false;
    cache_.erase({each.name, each.type});
    return true;
  });
}

}  // namespace impulse::dns
