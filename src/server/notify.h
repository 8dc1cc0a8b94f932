// Tells systemd what we are doing (sd_notify), where it was built in and
// NOTIFY_SOCKET is set; else these do nothing.
#pragma once

namespace impulse::server {

void notify_ready();
void notify_reloading();
void notify_stopping();

}  // namespace impulse::server
