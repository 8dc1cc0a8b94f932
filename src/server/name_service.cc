#include "server/name_service.h"

#include <latch>

namespace impulse::server {

namespace {

std::string_view method_name(delivery::Route::Method method) {
  using Method = delivery::Route::Method;
  switch (method) {
    case Method::smtp:
      return "esmtp";
    case Method::maildir:
      return "maildir";
    case Method::blackhole:
      return "blackhole";
    case Method::none:
      break;
  }
  return "none";
}

}  // namespace

// The delivery loop never waits for the main thread.
void NameService::there(const std::function<void()>& work) {
  std::latch done(1);
  loop_.post([&] {
    work();
    done.count_down();
  });
  done.wait();
}

control::DomainRoute NameService::route(std::string_view domain) {
  delivery::RouteView view;
  there([&] { view = dispatcher_.route_view(domain); });
  control::DomainRoute route;
  route.domain = std::move(view.domain);
  route.method = view.lmtp ? "lmtp" : view.ecstream ? "ecstream" : method_name(view.method);
  route.looked_up = view.looked_up;
  route.pending = view.pending;
  route.problem = std::move(view.problem);
  route.permanent = view.permanent;
  route.ttl = view.ttl;
  route.also = std::move(view.also);
  for (delivery::RouteView::Host& host : view.hosts)
    route.hosts.push_back({std::move(host.gateway.host), host.gateway.path.empty() ? host.gateway.port : uint16_t{0},
                           host.gateway.rank, host.gateway.origin != delivery::Gateway::Origin::configured,
                           std::move(host.addresses), std::move(host.problem), host.ttl});
  return route;
}

size_t NameService::refresh(const std::string& domain) {
  size_t count = 0;
  there([&] { count = dispatcher_.refresh_route(domain); });
  return count;
}

dns::AnswerPtr NameService::remembered(std::string_view name, dns::Type type) {
  dns::AnswerPtr answer;
  there([&] { answer = dispatcher_.resolver().remembered(name, type); });
  return answer;
}

void NameService::submit(std::string_view name, dns::Type type) {
  there([&] { dispatcher_.resolver().query(name, type, [](const dns::AnswerPtr&) {}); });
}

std::vector<dns::Remembered> NameService::list(size_t limit) {
  std::vector<dns::Remembered> all;
  there([&] { all = dispatcher_.resolver().list(limit); });
  return all;
}

size_t NameService::flush(std::string_view name) {
  size_t count = 0;
  there([&] { count = dispatcher_.resolver().flush(name); });
  return count;
}

dns::Statistics NameService::statistics() {
  dns::Statistics all;
  there([&] { all = dispatcher_.resolver().statistics(); });
  return all;
}

}  // namespace impulse::server
