// The main log is one of the logs of mail, which are opened together.
#pragma once

#include "telemetry/mail_logs.h"

namespace impulse::telemetry {

using Mainlog = MailLogs;

}  // namespace impulse::telemetry
