/* Stands for libnvidia-ml.so.1: answers from a text file that $STANDIN_NVML names, read at each call.
 *
 * A line `init CODE` is what nvmlInit_v2 returns (`init hang`: it does not). Every other line is a
 * GPU: UUID NAME MODE UTIL USED_MIB TOTAL_MIB TEMP MILLIWATTS ECC REASONS XID PID
 * MODE: ok; lost (error 15); hang (no call about it returns); bare (it has only its memory);
 * hidden (no permission).
 * Functions, codes and layouts are those of NVIDIA's nvml.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long ull;

struct gpu {
    char uuid[96], name[96], mode[16];
    unsigned util, temp, power, pid;
    ull used, total, ecc, reasons, xid;
};

static void hang(void)
{
    for (;;)
        pause();
}

/* The GPU of that index; returns how many there are. `init`: what the library's start returns. */
static int look(int wanted, struct gpu *found, int *init)
{
    char line[512], word[16];
    int count = 0;
    FILE *file = fopen(getenv("STANDIN_NVML"), "r");

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        struct gpu gpu;
        if (sscanf(line, "init %15s", word) == 1) {
            if (init && !strcmp(word, "hang"))
                hang();
            if (init)
                *init = atoi(word);
        } else if (sscanf(line, "%95s %95s %15s %u %llu %llu %u %u %llu %llu %llu %u", gpu.uuid,
                          gpu.name, gpu.mode, &gpu.util, &gpu.used, &gpu.total, &gpu.temp,
                          &gpu.power, &gpu.ecc, &gpu.reasons, &gpu.xid, &gpu.pid) == 12) {
            if (count++ == wanted)
                *found = gpu;
        }
    }
    fclose(file);
    return count;
}

static int ask(void *device, struct gpu *gpu, int optional)
{
    look((int)(long)device - 1, gpu, 0);
    if (!strcmp(gpu->mode, "hang"))
        hang();
    if (!strcmp(gpu->mode, "lost"))
        return 15;
    return optional && !strcmp(gpu->mode, "bare") ? 3 : 0;
}

const char *nvmlErrorString(int code)
{
    return code == 15 ? "GPU is lost" : code == 9 ? "Driver Not Loaded" : "Unknown Error";
}

int nvmlInit_v2(void)
{
    int code = 0;
    look(-1, 0, &code);
    return code;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = look(-1, 0, 0);
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    struct gpu gpu;
    look(index, &gpu, 0);
    *device = (void *)(long)(index + 1);
    return strcmp(gpu.mode, "hidden") ? 0 : 4;
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned length)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 0);
    snprintf(text, length, "%s", gpu.uuid);
    return code;
}

int nvmlDeviceGetName(void *device, char *text, unsigned length)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 0);
    snprintf(text, length, "%s", gpu.name);
    return code;
}

int nvmlDeviceGetUtilizationRates(void *device, unsigned *rates)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 1);
    rates[0] = gpu.util;
    rates[1] = 1;
    return code;
}

struct memory2 {
    unsigned version;
    ull total, reserved, free, used;
};

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory2 *memory)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 0);
    if (memory->version != (sizeof *memory | 2 << 24))
        return 25;
    memory->total = gpu.total << 20;
    memory->used = gpu.used << 20;
    memory->reserved = 500 << 20;
    return code;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *degrees)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 1);
    *degrees = gpu.temp;
    return sensor ? 2 : code;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 1);
    *milliwatts = gpu.power;
    return code;
}

int nvmlDeviceGetTotalEccErrors(void *device, int type, int counter, ull *count)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 1);
    *count = gpu.ecc;
    return type == 1 && counter == 0 ? code : 2;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, ull *reasons)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 1);
    *reasons = gpu.reasons;
    return code;
}

struct process {
    unsigned pid;
    ull memory;
    unsigned gpu_instance, compute_instance;
};

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *found)
{
    struct gpu gpu;
    int code = ask(device, &gpu, 1);
    if (*count < 2)
        return 7;
    *count = gpu.pid ? 2 : 0;
    /* a second one, so that the size of an entry matters */
    found[0].pid = 1;
    found[1].pid = gpu.pid;
    return code;
}

struct event {
    void *device;
    ull type, data;
    unsigned gpu_instance, compute_instance;
};

int nvmlEventSetCreate(void **set)
{
    *set = (void *)1;
    return 0;
}

int nvmlDeviceRegisterEvents(void *device, ull types, void *set)
{
    return device && types == 8 && set ? 0 : 2;
}

int nvmlEventSetWait_v2(void *set, struct event *event, unsigned milliseconds)
{
    static ull told[64];
    struct gpu gpu;
    int index, count = look(-1, 0, 0);

    for (index = 0; index < count && index < 64; index++) {
        look(index, &gpu, 0);
        if (gpu.xid != told[index]) {
            told[index] = gpu.xid;
            event->device = (void *)(long)(index + 1);
            event->type = 8;
            event->data = gpu.xid;
            return 0;
        }
    }
    return set && !milliseconds ? 10 : 2;
}
