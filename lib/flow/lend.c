/* lend.c -- memory for records that a device reads by itself. */
#include "flow/flow.h"

static void *lend(void *dev_, size_t bytes)
{
    struct rn_device *dev = dev_;
    struct rn_err ignored;
    return dev->class->host_alloc(dev, bytes, &ignored);
}

static void take_back(void *dev_, void *memory)
{
    struct rn_device *dev = dev_;
    dev->class->host_free(dev, memory);
}

void rn_flow_lend(struct rn_flow_plan *plan, struct rn_device *dev)
{
    if (!dev->class->host_alloc)
        return;
    plan->lend = lend;
    plan->take_back = take_back;
    plan->lender = dev;
}
