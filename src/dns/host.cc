// Addresses of a host: hosts file and DNS, in the order that resolv.conf says,
// a short name by its completions one after the other.
#include "dns/resolver.h"

#include "base/fd.h"
#include "base/text.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace impulse::dns {
namespace {

// RFC 6724 §6, rule 1: has this machine a way there? Nothing is sent.
bool reachable(const IpAddress& address) {
  sockaddr_storage storage{};
  constexpr uint16_t any_port = 25;
  const socklen_t length = Endpoint::tcp(address, any_port).to_sockaddr(storage);
  const UniqueFd fd(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return fd.get() >= 0 && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0;
}

// IPv6 first, then by turns, so that a network that is broken costs one attempt.
std::vector<IpAddress> by_turns(const std::vector<IpAddress>& v6, const std::vector<IpAddress>& v4) {
  std::vector<IpAddress> all;
  for (size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) all.push_back(v6[i]);
    if (i < v4.size()) all.push_back(v4[i]);
  }
  return all;
}

}  // namespace

struct Resolver::HostSearch {
  HostWish wish;
  std::string asked;
  std::vector<std::string> names;  // to try, the next last
  std::string name;                // being tried
  AnswerPtr v4, v6;
  std::string failure;  // of one of them
  SteadyTime retry{};   // when it may be another
  SteadyTime none_until = SteadyTime::max();
  bool some_name = false;  // one of them exists
  bool after = false;      // the hosts file comes last
  Reply reply;
};

void Resolver::host(std::string_view text, HostWish wish, Reply reply) {
  auto search = std::make_shared<HostSearch>();
  search->wish = wish;
  search->asked = lower(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
  search->reply = std::move(reply);
  const auto direct = [&](std::vector<IpAddress> addresses) {
    if (!wish.ipv6) std::erase_if(addresses, [](const IpAddress& each) { return each.is_v6(); });
    if (addresses.empty()) return false;
    auto answer = std::make_shared<Answer>();
    answer->status = Answer::Status::found;
    answer->name = search->asked;
    answer->addresses = std::move(addresses);
    answer->since = steady_now();
    answer->until = answer->since + limits_.shortest;
    reply_later(std::move(search->reply), std::move(answer));
    return true;
  };
  if (const auto literal = IpAddress::parse(search->asked); literal && direct({*literal})) return;
  const bool local = search->asked == "localhost" || search->asked.ends_with(".localhost");
  if ((local || (conf_.hosts && conf_.hosts_first)) && direct(hosts_.find(search->asked, steady_now()))) return;
  search->after = conf_.hosts && !conf_.hosts_first;

  search->names = {search->asked};
  if (wish.search && !text.ends_with('.')) {
    const auto dots = static_cast<unsigned>(std::ranges::count(search->asked, '.'));
    std::vector<std::string> longer;
    for (const std::string& domain : conf_.search) longer.push_back(search->asked + "." + domain);
    search->names.insert(dots < conf_.ndots ? search->names.end() : search->names.begin(), longer.begin(),
                         longer.end());
    if (dots < conf_.ndots)
      std::ranges::rotate(search->names, search->names.begin() + 1);
    else
      std::ranges::rotate(search->names, search->names.end() - 1);
  }
  std::ranges::reverse(search->names);
  search_on(search);
}

void Resolver::search_on(const std::shared_ptr<HostSearch>& search) {
  search->name = std::move(search->names.back());
  search->names.pop_back();
  search->v4 = search->v6 = nullptr;
  const auto came = [this, search](AnswerPtr HostSearch::* which) {
    return [this, search, which](AnswerPtr answer) {
      (*search).*which = std::move(answer);
      if (search->v4 && (search->v6 || !search->wish.ipv6)) found_host(search);
    };
  };
  query(search->name, Type::a, came(&HostSearch::v4), search->wish.max_age);
  if (search->wish.ipv6) query(search->name, Type::aaaa, came(&HostSearch::v6), search->wish.max_age);
}

// All that there is to know of one name.
void Resolver::found_host(const std::shared_ptr<HostSearch>& search) {
  auto answer = std::make_shared<Answer>();
  answer->name = search->name;
  answer->since = steady_now();
  std::vector<IpAddress> v6;
  if (search->v6) std::ranges::copy_if(search->v6->addresses, std::back_inserter(v6), reachable);
  answer->addresses = by_turns(v6, search->v4->addresses);
  if (answer->addresses.empty() && search->v6) answer->addresses = search->v6->addresses;
  answer->until = search->v6 ? std::min(search->v4->until, search->v6->until) : search->v4->until;
  if (!answer->addresses.empty()) {
    answer->status = Answer::Status::found;
    return search->reply(std::move(answer));
  }
  for (const AnswerPtr& each : {search->v4, search->v6}) {
    if (!each) continue;
    if (each->status == Answer::Status::failed && search->failure.empty()) search->failure = each->problem;
    if (each->status == Answer::Status::no_data) search->some_name = true;
    search->none_until = std::min(search->none_until, each->until);
  }
  if (!search->names.empty()) return search_on(search);
  if (search->after) answer->addresses = hosts_.find(search->asked, steady_now());
  answer->name = search->asked;
  answer->until = std::min(search->none_until, answer->since + limits_.longest_negative);
  if (!answer->addresses.empty()) {
    answer->status = Answer::Status::found;
  } else if (!search->failure.empty()) {
    answer->status = Answer::Status::failed;
    answer->problem = search->failure;
  } else {
    answer->status = search->some_name ? Answer::Status::no_data : Answer::Status::no_name;
    answer->problem = fmt::format("{}: {}", escape_line(search->asked, 256),
                                  search->some_name ? "the name has no address" : "there is no such host");
  }
  search->reply(std::move(answer));
}

}  // namespace impulse::dns
