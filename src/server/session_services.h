// SessionServices: what every session that brings mail needs of the daemon;
// borrowed, outliving them all.
#pragma once

#include "api/metrics.h"
#include "inject/injector.h"
#include "server/admission.h"
#include "server/auth_desk.h"
#include "server/control_call.h"
#include "server/ecstream_streams.h"
#include "server/http_desk.h"
#include "server/rejections.h"
#include "server/tls_store.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/smtp_trace.h"

#include <functional>
#include <string>

namespace impulse::server {

struct SessionServices {
  inject::Injector& injector;
  const spool::Spool& spool;
  telemetry::Counters& counters;
  telemetry::Log& log;
  TlsStore& tls;
  telemetry::SmtpTracers& tracers;
  AuthDesk& auth;
  Admission& admission;
  Rejections& rejections;
  HttpDesk& http;
  OpenStreams& streams;
  net::Loop& aside;  // carries no mail: for what may wait for a disk
  std::string node;
  // The daemon's numbers, gathered by the main loop; given to `done` on that loop. Any thread.
  std::function<void(net::Loop& loop, std::function<void(const api::Figures&)> done)> figures;
  // Commands of the console, run on the main loop; as above.
  std::function<void(net::Loop& loop, ControlAsk ask, std::function<void(ControlAnswer)> done)> control{};
};

}  // namespace impulse::server
