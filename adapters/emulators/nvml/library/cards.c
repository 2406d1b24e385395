/* What NVML says of a machine and its cards. Prototypes and structures are those of the real nvml.h. */

#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    machine_t *m = read_machine();
    (void)flags;
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED;
    if (m->host.init_latency_us != UNKNOWN) {
        struct timespec pause = {0, (long)m->host.init_latency_us * 1000};
        nanosleep(&pause, NULL);
    }
    running++;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

EXPORT nvmlReturn_t nvmlShutdown(void) {
    if (!running) return NVML_ERROR_UNINITIALIZED;
    running--;
    return NVML_SUCCESS;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t result) {
    switch (result) {
    case NVML_SUCCESS: return "Success";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NO_PERMISSION: return "Insufficient Permissions";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_TIMEOUT: return "Timeout";
    case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
    case NVML_ERROR_RESET_REQUIRED: return "GPU requires reset";
    case NVML_ERROR_IN_USE: return "In use by another client";
    case NVML_ERROR_INSUFFICIENT_RESOURCES: return "Insufficient Resources";
    default: return "Unknown Error";
    }
}

#define MACHINE                                                    \
    machine_t *m = running ? read_machine() : NULL;                \
    if (!running) return NVML_ERROR_UNINITIALIZED;                 \
    if (!m) return NVML_ERROR_DRIVER_NOT_LOADED

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    MACHINE;
    return put(version, length, m->host.driver);
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) {
    MACHINE;
    if (m->host.cuda == UNKNOWN) return NVML_ERROR_LIBRARY_NOT_FOUND;
    *version = (int)m->host.cuda;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    MACHINE;
    *count = m->n_gpus;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    MACHINE;
    if (index >= m->n_gpus) return NVML_ERROR_INVALID_ARGUMENT;
    *device = gpu_handle(index);
    return m->gpus[index].lost == 1 ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pci, nvmlDevice_t *device) {
    unsigned int wanted[4], found[4];
    MACHINE;
    split_pci(pci, wanted);
    for (unsigned int index = 0; index < m->n_gpus; index++) {
        split_pci(m->gpus[index].pci, found);
        if (memcmp(wanted, found, sizeof wanted) == 0) return nvmlDeviceGetHandleByIndex_v2(index, device);
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    MACHINE;
    for (unsigned int index = 0; index < m->n_gpus; index++)
        if (strcmp(uuid, m->gpus[index].uuid) == 0) return nvmlDeviceGetHandleByIndex_v2(index, device);
    for (unsigned int i = 0; i < m->n_cis; i++) {
        if (strcmp(uuid, m->cis[i].uuid) != 0) continue;
        *device = slice_handle(&m->cis[i]);
        return NVML_SUCCESS;
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    LOOK(device);
    CARDS_ONLY;
    fill_pci(f.gpu->pci, pci);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    LOOK(device);
    if (!f.ci) return put(name, length, f.gpu->name);
    char text[224];
    const char *profile = f.profile ? f.profile->name : "";
    if (strncmp(profile, "MIG ", 4) == 0) profile += 4;
    if (f.profile && f.ci->slices < f.profile->slices)
        snprintf(text, sizeof text, "%s MIG %lluc.%s", f.gpu->name, f.ci->slices, profile);
    else
        snprintf(text, sizeof text, "%s MIG %s", f.gpu->name, profile);
    return put(name, length, text);
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    LOOK(device);
    return put(uuid, length, f.ci ? f.ci->uuid : f.gpu->uuid);
}

EXPORT nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length) {
    LOOK(device);
    CARDS_ONLY;
    return f.gpu->serial[0] ? put(serial, length, f.gpu->serial) : NVML_ERROR_NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length) {
    LOOK(device);
    CARDS_ONLY;
    return f.gpu->vbios[0] ? put(version, length, f.gpu->vbios) : NVML_ERROR_NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    ASK_DRIVER(device);
    number total = f.gpu->memory_mib, used = f.gpu->used_mib;
    if (f.ci) {
        total = f.ci->memory_mib != UNKNOWN ? f.ci->memory_mib : f.profile ? f.profile->memory_mib : 0;
        used = f.ci->used_mib != UNKNOWN ? f.ci->used_mib : 0;
    }
    memory->total = total << 20;
    memory->used = used << 20;
    memory->free = memory->total - memory->used;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
    ASK_CARD(device);
    /* As on real cards: with MIG on, the card as a whole has no rate. */
    if (f.gpu->mig == 1) return NVML_ERROR_NOT_SUPPORTED;
    SUPPORTED(f.gpu->util);
    rates->gpu = (unsigned int)f.gpu->util;
    rates->memory = 0;
    return NVML_SUCCESS;
}

#define NUMBER(function, type, expression)                              \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, type *answer) {   \
        ASK_CARD(device);                                               \
        SUPPORTED(expression);                                          \
        *answer = (type)(expression);                                   \
        return NVML_SUCCESS;                                            \
    }

NUMBER(nvmlDeviceGetNumGpuCores, unsigned int, f.gpu->cores)
NUMBER(nvmlDeviceGetComputeMode, nvmlComputeMode_t, f.gpu->compute_mode)
NUMBER(nvmlDeviceGetPersistenceMode, nvmlEnableState_t, f.gpu->persistence)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, nvmlEnableState_t, f.gpu->retired_pending)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, f.gpu->reasons)
NUMBER(nvmlDeviceGetPowerUsage, unsigned int, f.gpu->draw_mw)
NUMBER(nvmlDeviceGetPowerManagementLimit, unsigned int, f.gpu->power_mw)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned int, f.gpu->power_mw)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned int, f.gpu->power_default_mw)
NUMBER(nvmlDeviceGetNumaNodeId, unsigned int, f.gpu->numa)

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *lowest, unsigned int *highest) {
    ASK_CARD(device);
    SUPPORTED(f.gpu->power_min_mw);
    *lowest = (unsigned int)f.gpu->power_min_mw;
    *highest = (unsigned int)f.gpu->power_max_mw;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *temp) {
    (void)sensor;
    ASK_CARD(device);
    SUPPORTED(f.gpu->temp);
    *temp = (unsigned int)f.gpu->temp;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending) {
    ASK_CARD(device);
    SUPPORTED(f.gpu->ecc);
    *current = (nvmlEnableState_t)f.gpu->ecc;
    *pending = (nvmlEnableState_t)f.gpu->ecc_pending;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
                                                unsigned long long *count) {
    ASK_CARD(device);
    if (f.gpu->ecc != 1) return NVML_ERROR_NOT_SUPPORTED;
    if (type != NVML_MEMORY_ERROR_TYPE_UNCORRECTED) { *count = 0; return NVML_SUCCESS; }
    *count = counter == NVML_VOLATILE_ECC ? f.gpu->ecc_volatile : f.gpu->ecc_aggregate;
    SUPPORTED(*count);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *count,
                                              unsigned long long *addresses) {
    ASK_CARD(device);
    number pages = cause == NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR ? f.gpu->retired_dbe : f.gpu->retired_sbe;
    SUPPORTED(pages);
    unsigned int room = *count;
    *count = (unsigned int)pages;
    if (!addresses || room < pages) return pages ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
    for (unsigned int i = 0; i < pages; i++) addresses[i] = 0x1000ULL * (i + 1);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                              unsigned int *pending, unsigned int *failed) {
    ASK_CARD(device);
    for (unsigned int i = 0; i < m->n_gis; i++)
        if (m->gis[i].gpu == f.index && f.gpu->mig == 1) return NVML_ERROR_NOT_SUPPORTED;
    SUPPORTED(f.gpu->remap_unc);
    *corrected = (unsigned int)f.gpu->remap_corr;
    *uncorrected = (unsigned int)f.gpu->remap_unc;
    *pending = f.gpu->remap_pending == 1;
    *failed = f.gpu->remap_failed == 1;
    return NVML_SUCCESS;
}

static nvmlReturn_t clock_of(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz, number gpu_t_graphics, number gpu_t_memory) {
    (void)device;
    number value = type == NVML_CLOCK_MEM ? gpu_t_memory : gpu_t_graphics;
    SUPPORTED(value);
    *mhz = (unsigned int)value;
    return NVML_SUCCESS;
}

#define CLOCK(function, graphics, memory)                                                              \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz) {       \
        ASK_CARD(device);                                                                              \
        return clock_of(device, type, mhz, f.gpu->graphics, f.gpu->memory);                            \
    }

CLOCK(nvmlDeviceGetApplicationsClock, app_graphics, app_memory)
CLOCK(nvmlDeviceGetDefaultApplicationsClock, default_graphics, default_memory)
CLOCK(nvmlDeviceGetMaxClockInfo, max_graphics, max_memory)

/* Of a slice those in it; of a card that is cut, those of all its slices, to root only. */
static nvmlReturn_t processes(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    ASK_DRIVER(device);
    if (!f.ci && f.gpu->mig == 1 && m->host.root != 1) return NVML_ERROR_NO_PERMISSION;
    unsigned int found = 0, room = *count;
    for (unsigned int i = 0; i < m->n_processes; i++) {
        const process_t *process = &m->processes[i];
        if (process->gpu != f.index || (f.ci && process->gi != f.ci->gi)) continue;
        if (infos && found < room) {
            infos[found].pid = (unsigned int)process->pid;
            infos[found].usedGpuMemory = process->used_mib << 20;
            infos[found].gpuInstanceId = process->gi == UNKNOWN ? 0xFFFFFFFF : (unsigned int)process->gi;
            infos[found].computeInstanceId = process->gi == UNKNOWN ? 0xFFFFFFFF : 0;
        }
        found++;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    return processes(device, count, infos);
}

static nvmlReturn_t nobody(nvmlDevice_t device, unsigned int *count) {
    ASK_DRIVER(device);
    *count = 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    (void)infos;
    return nobody(device, count);
}

EXPORT nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    (void)infos;
    return nobody(device, count);
}

EXPORT nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int size, unsigned long *set) {
    ASK_CARD(device);
    SUPPORTED(f.gpu->cpus);
    memset(set, 0, size * sizeof *set);
    if (size) set[0] = (unsigned long)f.gpu->cpus;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t one, nvmlDevice_t other, nvmlGpuTopologyLevel_t *level) {
    found_t second;
    ASK_CARD(one);
    nvmlReturn_t found = find(other, m, &second);
    if (found != NVML_SUCCESS) return found;
    for (unsigned int i = 0; i < m->n_ancestors; i++) {
        const ancestor_t *pair = &m->ancestors[i];
        if ((pair->a == f.index && pair->b == second.index) || (pair->b == f.index && pair->a == second.index)) {
            *level = (nvmlGpuTopologyLevel_t)pair->level;
            return NVML_SUCCESS;
        }
    }
    *level = NVML_TOPOLOGY_SYSTEM;
    return NVML_SUCCESS;
}

static const link_t_ *link_of(const machine_t *m, unsigned int gpu, unsigned int link) {
    for (unsigned int i = 0; i < m->n_links; i++)
        if (m->links[i].gpu == gpu && m->links[i].link == link) return &m->links[i];
    return NULL;
}

#define LINK(device)                                              \
    ASK_CARD(device);                                             \
    const link_t_ *found = link_of(m, f.index, link);             \
    if (!found) return link ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_SUPPORTED

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, nvmlEnableState_t *active) {
    LINK(device);
    *active = found->active == 1 ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci) {
    LINK(device);
    fill_pci(found->pci, pci);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, nvmlIntNvLinkDeviceType_t *type) {
    LINK(device);
    *type = found->is_switch == 1 ? NVML_NVLINK_DEVICE_TYPE_SWITCH : NVML_NVLINK_DEVICE_TYPE_GPU;
    return NVML_SUCCESS;
}
