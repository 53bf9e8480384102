/* The whole C border in one include. */
#ifndef STRATA_ABI_H
#define STRATA_ABI_H

#include "strata/abi/communicator.h"
#include "strata/abi/core.h"
#include "strata/abi/data.h"
#include "strata/abi/estimate.h"
#include "strata/abi/hook.h"
#include "strata/abi/host.h"
#include "strata/abi/memory.h"
#include "strata/abi/model.h"
#include "strata/abi/optim.h"
#include "strata/abi/services.h"
#include "strata/abi/strategy.h"
#include "strata/abi/tensor.h"

#endif
