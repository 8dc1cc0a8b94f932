// Notify: tells systemd what we are doing (sd_notify), where it was built in
// and NOTIFY_SOCKET is set; else these do nothing. Main thread.
#pragma once

#include "base/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace impulse::server {

class Notify {
 public:
  void ready(std::string_view status);  // the first time, and again after reloading()
  // From here until ready() the configuration is changing.
  void reloading();
  void stopping();
  // How often systemd wants to hear alive() (WATCHDOG_USEC); nothing: never.
  static std::optional<Duration> watchdog();
  void alive();

 private:
  bool stopping_ = false;
};

}  // namespace impulse::server
