/* What root may set on a card. */

#include "machine.h"

#define CHANGE(device)                                                                      \
    found_t f;                                                                              \
    if (!running) return NVML_ERROR_UNINITIALIZED;                                          \
    machine_t *m = begin_change();                                                          \
    nvmlReturn_t looked = find(device, m, &f);                                              \
    if (m) wait_for_driver(m);                                                              \
    if (looked == NVML_SUCCESS && f.ci) looked = NVML_ERROR_NOT_SUPPORTED;                  \
    if (looked == NVML_SUCCESS && m->host.root != 1) looked = NVML_ERROR_NO_PERMISSION;     \
    if (looked != NVML_SUCCESS) { drop_change(); return looked; }
#define REFUSE_IF(condition, error) if (condition) { drop_change(); return error; }
#define DONE end_change(); return NVML_SUCCESS

EXPORT nvmlReturn_t nvmlDeviceSetComputeMode(nvmlDevice_t device, nvmlComputeMode_t mode) {
    CHANGE(device);
    REFUSE_IF(f.gpu->compute_mode == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);
    REFUSE_IF(mode >= NVML_COMPUTEMODE_COUNT, NVML_ERROR_INVALID_ARGUMENT);
    f.gpu->compute_mode = mode;
    DONE;
}

EXPORT nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode) {
    CHANGE(device);
    REFUSE_IF(f.gpu->persistence == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);
    f.gpu->persistence = mode;
    DONE;
}

EXPORT nvmlReturn_t nvmlDeviceSetEccMode(nvmlDevice_t device, nvmlEnableState_t mode) {
    CHANGE(device);
    REFUSE_IF(f.gpu->ecc == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);
    f.gpu->ecc_pending = mode;
    DONE;
}

EXPORT nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int limit_mw) {
    CHANGE(device);
    REFUSE_IF(f.gpu->power_mw == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);
    REFUSE_IF(limit_mw < f.gpu->power_min_mw || limit_mw > f.gpu->power_max_mw, NVML_ERROR_INVALID_ARGUMENT);
    f.gpu->power_mw = limit_mw;
    DONE;
}

EXPORT nvmlReturn_t nvmlDeviceSetApplicationsClocks(nvmlDevice_t device, unsigned int memory, unsigned int graphics) {
    CHANGE(device);
    REFUSE_IF(f.gpu->app_graphics == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);
    REFUSE_IF(memory > f.gpu->max_memory || graphics > f.gpu->max_graphics, NVML_ERROR_INVALID_ARGUMENT);
    f.gpu->app_memory = memory;
    f.gpu->app_graphics = graphics;
    DONE;
}

EXPORT nvmlReturn_t nvmlDeviceResetApplicationsClocks(nvmlDevice_t device) {
    CHANGE(device);
    REFUSE_IF(f.gpu->app_graphics == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);
    f.gpu->app_memory = f.gpu->default_memory;
    f.gpu->app_graphics = f.gpu->default_graphics;
    DONE;
}

#define LOCKED(what, member)                                                                              \
    EXPORT nvmlReturn_t nvmlDeviceSet##what##LockedClocks(nvmlDevice_t device, unsigned int low, unsigned int high) { \
        CHANGE(device);                                                                                   \
        REFUSE_IF(f.gpu->max_graphics == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);                              \
        REFUSE_IF(low > high, NVML_ERROR_INVALID_ARGUMENT);                                               \
        f.gpu->lock_##member##_min = low;                                                                 \
        f.gpu->lock_##member##_max = high;                                                                \
        DONE;                                                                                             \
    }                                                                                                     \
    EXPORT nvmlReturn_t nvmlDeviceReset##what##LockedClocks(nvmlDevice_t device) {                        \
        CHANGE(device);                                                                                   \
        REFUSE_IF(f.gpu->max_graphics == UNKNOWN, NVML_ERROR_NOT_SUPPORTED);                              \
        f.gpu->lock_##member##_min = f.gpu->lock_##member##_max = UNKNOWN;                                \
        DONE;                                                                                             \
    }

LOCKED(Gpu, graphics)
LOCKED(Memory, memory)

EXPORT nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activation) {
    CHANGE(device);
    REFUSE_IF(!has_profiles(m, f.index), NVML_ERROR_NOT_SUPPORTED);
    REFUSE_IF(mode > NVML_DEVICE_MIG_ENABLE, NVML_ERROR_INVALID_ARGUMENT);
    int has_parts = 0;
    for (unsigned int i = 0; i < m->n_gis; i++) has_parts |= m->gis[i].gpu == f.index;
    f.gpu->mig_pending = mode;
    if (f.gpu->mig == mode) *activation = NVML_SUCCESS;
    else if (is_in_use(m, f.index, UNKNOWN) || f.gpu->held == 1 || (mode == 0 && has_parts)) *activation = NVML_ERROR_IN_USE;
    else if (f.gpu->mig_needs_reset == 1) *activation = NVML_ERROR_RESET_REQUIRED;
    else {
        f.gpu->mig = mode;
        *activation = NVML_SUCCESS;
    }
    DONE;
}
