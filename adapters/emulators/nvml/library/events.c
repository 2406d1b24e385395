/* Errors that the driver reports, to those who were registered when they happened. */

#include "machine.h"

#include <stdlib.h>
#include <time.h>

#define PATIENCE_NS 2000000L

/* Which kinds of events of which card, and what was already told. */
typedef struct { number last[MAX], kinds[MAX]; } set_t;

static number newest(const machine_t *m) {
    number seq = 0;
    for (unsigned int i = 0; i < m->n_events; i++)
        if (m->events[i].seq > seq) seq = m->events[i].seq;
    return seq;
}

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
    if (!running) return NVML_ERROR_UNINITIALIZED;
    *set = (nvmlEventSet_t)calloc(1, sizeof(set_t));
    return *set ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

EXPORT nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    free(set);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types) {
    ASK_CARD(device);
    *types = nvmlEventTypeXidCriticalError | nvmlEventTypeDoubleBitEccError | nvmlEventTypeSingleBitEccError;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) {
    ASK_CARD(device);
    set_t *registered = (set_t *)set;
    if (!registered) return NVML_ERROR_INVALID_ARGUMENT;
    registered->kinds[f.index] |= types;
    registered->last[f.index] = newest(m);
    return NVML_SUCCESS;
}

/* Returns the oldest event that was not told yet, and marks it as told. */
static const event_t *next_event(const machine_t *m, set_t *set) {
    const event_t *found = NULL;
    for (unsigned int i = 0; i < m->n_events; i++) {
        const event_t *event = &m->events[i];
        if (event->gpu >= MAX || !(set->kinds[event->gpu] & event->type) || event->seq <= set->last[event->gpu]) continue;
        if (!found || event->seq < found->seq) found = event;
    }
    if (found) set->last[found->gpu] = found->seq;
    return found;
}

EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms) {
    struct timespec from, now, pause = {0, PATIENCE_NS};
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!set) return NVML_ERROR_INVALID_ARGUMENT;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (;;) {
        const machine_t *m = read_machine();
        if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
        const event_t *event = next_event(m, (set_t *)set);
        if (event) {
            data->device = gpu_handle((unsigned int)event->gpu);
            data->eventType = event->type;
            data->eventData = event->data;
            data->gpuInstanceId = event->gi == UNKNOWN ? 0xFFFFFFFF : (unsigned int)event->gi;
            data->computeInstanceId = 0xFFFFFFFF;
            return NVML_SUCCESS;
        }
        for (unsigned int i = 0; i < m->n_gpus; i++)
            if (((set_t *)set)->kinds[i] && m->gpus[i].lost == 1) return NVML_ERROR_GPU_IS_LOST;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 >= (long)timeout_ms) return NVML_ERROR_TIMEOUT;
        nanosleep(&pause, NULL);
    }
}
