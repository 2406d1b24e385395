/* A stand-in for libnvidia-ml.so.1 on machines without a card.
 *
 * It answers from a text file that the environment variable SHARY_FAKE_NVML names. The file is
 * read again at each call, so that a test can change the machine under a running process:
 *
 *   driver 580.159.04
 *   gpu pci=0000:65:00.0 uuid=GPU-1111 serial=165 memory_mib=81559 used_mib=4 util=0 temp=31 cores=16896 mig=0 lost=0 name=NVIDIA H100 80GB HBM3
 *   mig gpu=0 uuid=MIG-2222 memory_mib=9856 name=NVIDIA H100 80GB HBM3 MIG 1g.10gb
 *   process gpu=0 pid=4711 used_mib=1024
 *
 * `name` comes last and may hold blanks. Prototypes and structures are those of the real nvml.h.
 */

#include <nvml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 32
#define LINE 512
#define EXPORT __attribute__((visibility("default")))

typedef struct {
    char pci[32], uuid[96], serial[32], name[96];
    unsigned long long memory_mib, used_mib;
    unsigned int util, temp, cores, mig, lost;
} gpu_t;
typedef struct { unsigned int gpu; char uuid[96], name[96]; unsigned long long memory_mib; } slice_t;
typedef struct { unsigned int gpu, pid; unsigned long long used_mib; } process_t;
typedef struct {
    char driver[81];
    gpu_t gpus[MAX]; unsigned int n_gpus;
    slice_t slices[MAX]; unsigned int n_slices;
    process_t processes[MAX]; unsigned int n_processes;
} machine_t;

/* Handles are addresses inside these two arrays: index only, no state. */
static char gpu_handles[MAX], slice_handles[MAX];
static int running = 0;

static void text_of(const char *line, const char *key, char *out, size_t size) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *found = strstr(line, wanted);
    out[0] = 0;
    if (!found) return;
    found += strlen(wanted);
    size_t length = strcmp(key, "name") == 0 ? strcspn(found, "\n") : strcspn(found, " \n");
    if (length >= size) length = size - 1;
    memcpy(out, found, length);
    out[length] = 0;
}

static unsigned long long number_of(const char *line, const char *key) {
    char text[32];
    text_of(line, key, text, sizeof text);
    return strtoull(text, NULL, 10);
}

static int read_machine(machine_t *m) {
    memset(m, 0, sizeof *m);
    const char *path = getenv("SHARY_FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    char line[LINE];
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "driver ", 7) == 0) {
            snprintf(m->driver, sizeof m->driver, "%.80s", line + 7);
            m->driver[strcspn(m->driver, "\n")] = 0;
        } else if (strncmp(line, "gpu ", 4) == 0 && m->n_gpus < MAX) {
            gpu_t *g = &m->gpus[m->n_gpus++];
            text_of(line, "pci", g->pci, sizeof g->pci);
            text_of(line, "uuid", g->uuid, sizeof g->uuid);
            text_of(line, "serial", g->serial, sizeof g->serial);
            text_of(line, "name", g->name, sizeof g->name);
            g->memory_mib = number_of(line, "memory_mib");
            g->used_mib = number_of(line, "used_mib");
            g->util = (unsigned int)number_of(line, "util");
            g->temp = (unsigned int)number_of(line, "temp");
            g->cores = (unsigned int)number_of(line, "cores");
            g->mig = (unsigned int)number_of(line, "mig");
            g->lost = (unsigned int)number_of(line, "lost");
        } else if (strncmp(line, "mig ", 4) == 0 && m->n_slices < MAX) {
            slice_t *s = &m->slices[m->n_slices++];
            s->gpu = (unsigned int)number_of(line, "gpu");
            text_of(line, "uuid", s->uuid, sizeof s->uuid);
            text_of(line, "name", s->name, sizeof s->name);
            s->memory_mib = number_of(line, "memory_mib");
        } else if (strncmp(line, "process ", 8) == 0 && m->n_processes < MAX) {
            process_t *p = &m->processes[m->n_processes++];
            p->gpu = (unsigned int)number_of(line, "gpu");
            p->pid = (unsigned int)number_of(line, "pid");
            p->used_mib = number_of(line, "used_mib");
        }
    }
    fclose(file);
    return 1;
}

static nvmlReturn_t put(char *out, unsigned int length, const char *text) {
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

/* Finds what a handle stands for: exactly one of *gpu and *slice is set on success. */
static nvmlReturn_t resolve(nvmlDevice_t device, machine_t *m, gpu_t **gpu, slice_t **slice) {
    const char *handle = (const char *)device;
    *gpu = NULL;
    *slice = NULL;
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!read_machine(m)) return NVML_ERROR_DRIVER_NOT_LOADED;
    if (handle >= gpu_handles && handle < gpu_handles + MAX) {
        unsigned int index = (unsigned int)(handle - gpu_handles);
        if (index >= m->n_gpus || m->gpus[index].lost) return NVML_ERROR_GPU_IS_LOST;
        *gpu = &m->gpus[index];
        return NVML_SUCCESS;
    }
    if (handle >= slice_handles && handle < slice_handles + MAX) {
        unsigned int index = (unsigned int)(handle - slice_handles);
        if (index >= m->n_slices) return NVML_ERROR_GPU_IS_LOST;
        *slice = &m->slices[index];
        return NVML_SUCCESS;
    }
    return NVML_ERROR_INVALID_ARGUMENT;
}

#define RESOLVE(device)                                         \
    machine_t m;                                                \
    gpu_t *gpu;                                                 \
    slice_t *slice;                                             \
    nvmlReturn_t resolved = resolve(device, &m, &gpu, &slice);  \
    if (resolved != NVML_SUCCESS) return resolved
#define CARDS_ONLY if (!gpu) return NVML_ERROR_NOT_SUPPORTED

static void split_pci(const char *text, unsigned int part[4]) {
    part[0] = 0;
    if (sscanf(text, "%x:%x:%x.%x", &part[0], &part[1], &part[2], &part[3]) < 4) {
        part[0] = part[3] = 0;
        sscanf(text, "%x:%x.%x", &part[1], &part[2], &part[3]);
    }
}

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    machine_t m;
    (void)flags;
    if (!read_machine(&m)) return NVML_ERROR_DRIVER_NOT_LOADED;
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
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    machine_t m;
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!read_machine(&m)) return NVML_ERROR_DRIVER_NOT_LOADED;
    return put(version, length, m.driver);
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    machine_t m;
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!read_machine(&m)) return NVML_ERROR_DRIVER_NOT_LOADED;
    *count = m.n_gpus;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    machine_t m;
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!read_machine(&m)) return NVML_ERROR_DRIVER_NOT_LOADED;
    if (index >= m.n_gpus) return NVML_ERROR_INVALID_ARGUMENT;
    *device = (nvmlDevice_t)(gpu_handles + index);
    return m.gpus[index].lost ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pci, nvmlDevice_t *device) {
    machine_t m;
    unsigned int wanted[4] = {0}, found[4] = {0};
    if (!running) return NVML_ERROR_UNINITIALIZED;
    if (!read_machine(&m)) return NVML_ERROR_DRIVER_NOT_LOADED;
    split_pci(pci, wanted);
    for (unsigned int index = 0; index < m.n_gpus; index++) {
        split_pci(m.gpus[index].pci, found);
        if (memcmp(wanted, found, sizeof wanted) == 0) return nvmlDeviceGetHandleByIndex_v2(index, device);
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    RESOLVE(device);
    CARDS_ONLY;
    unsigned int part[4] = {0};
    split_pci(gpu->pci, part);
    memset(pci, 0, sizeof *pci);
    pci->domain = part[0];
    pci->bus = part[1];
    pci->device = part[2];
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.%X", part[0], part[1], part[2], part[3]);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.%X", part[0] & 0xffff, part[1] & 0xff,
             part[2] & 0xff, part[3] & 0xf);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    RESOLVE(device);
    return put(name, length, gpu ? gpu->name : slice->name);
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    RESOLVE(device);
    return put(uuid, length, gpu ? gpu->uuid : slice->uuid);
}

EXPORT nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length) {
    RESOLVE(device);
    CARDS_ONLY;
    return gpu->serial[0] ? put(serial, length, gpu->serial) : NVML_ERROR_NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory) {
    RESOLVE(device);
    memory->total = (gpu ? gpu->memory_mib : slice->memory_mib) << 20;
    memory->used = (gpu ? gpu->used_mib : 0) << 20;
    memory->free = memory->total - memory->used;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t device, unsigned int *cores) {
    RESOLVE(device);
    if (!gpu || !gpu->cores) return NVML_ERROR_NOT_SUPPORTED;
    *cores = gpu->cores;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
    RESOLVE(device);
    /* As on real cards: with MIG on, the card as a whole has no rate. */
    if (!gpu || gpu->mig) return NVML_ERROR_NOT_SUPPORTED;
    rates->gpu = gpu->util;
    rates->memory = 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *temp) {
    (void)sensor;
    RESOLVE(device);
    CARDS_ONLY;
    *temp = gpu->temp;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    RESOLVE(device);
    CARDS_ONLY;
    *current = *pending = gpu->mig;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) {
    RESOLVE(device);
    CARDS_ONLY;
    *count = 7;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *part) {
    RESOLVE(device);
    CARDS_ONLY;
    unsigned int here = (unsigned int)(gpu - m.gpus), seen = 0;
    for (unsigned int i = 0; i < m.n_slices; i++) {
        if (m.slices[i].gpu == here && seen++ == index) {
            *part = (nvmlDevice_t)(slice_handles + i);
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    RESOLVE(device);
    CARDS_ONLY;
    unsigned int here = (unsigned int)(gpu - m.gpus), found = 0, room = *count;
    for (unsigned int i = 0; i < m.n_processes; i++) {
        if (m.processes[i].gpu != here) continue;
        if (infos && found < room) {
            infos[found].pid = m.processes[i].pid;
            infos[found].usedGpuMemory = m.processes[i].used_mib << 20;
            infos[found].gpuInstanceId = infos[found].computeInstanceId = 0xFFFFFFFF;
        }
        found++;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    (void)infos;
    RESOLVE(device);
    CARDS_ONLY;
    *count = 0;
    return NVML_SUCCESS;
}
