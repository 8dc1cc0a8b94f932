// How ec_inject fails: a status of sysexits.h, and what stands on standard
// error; as ec_sendmail does.
#pragma once

#include "console/sendmail/failure.h"

namespace impulse::ecinject {

using sendmail::fail_with;
using sendmail::Failure;
using sendmail::Outcome;

}  // namespace impulse::ecinject
