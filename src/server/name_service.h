// NameService: the DNS and the routes of domains, for console commands. Asks the
// delivery loop. Main thread.
#pragma once

#include "control/names.h"
#include "delivery/dispatcher.h"
#include "net/loop.h"

#include <functional>

namespace impulse::server {

class NameService : public control::Names {
 public:
  NameService(net::Loop& delivery_loop, delivery::Dispatcher& dispatcher)  // borrowed, outliving it
      : loop_(delivery_loop), dispatcher_(dispatcher) {}

  control::DomainRoute route(std::string_view domain) override;
  size_t refresh(const std::string& domain) override;
  dns::AnswerPtr remembered(std::string_view name, dns::Type type) override;
  void submit(std::string_view name, dns::Type type) override;
  std::vector<dns::Remembered> list(size_t limit) override;
  size_t flush(std::string_view name) override;
  dns::Statistics statistics() override;

 private:
  void there(const std::function<void()>& work);

  net::Loop& loop_;
  delivery::Dispatcher& dispatcher_;
};

}  // namespace impulse::server
