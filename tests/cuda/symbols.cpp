/* symbols.cpp - what the program holds: its kernels, which GR_LAUNCH lists, and its static shared variables, which have a tag
 * in the symbol table (__shared__ in kernel.h). The table is read from the file that this code lies in, the emulated plug-in or
 * a test program; it must not be stripped. */
#include "machine.h"
#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <map>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace emulator {

/* ---- kernels ---- */

typedef std::map<const void *, kernel_record *> kernel_map;
static kernel_map &kernels()
{
    static kernel_map &all = lasting<kernel_map>(); /* made by whoever lists first */
    return all;
}

/* "... [with auto KERNEL = rows_of_f32::flat<exp>]" gives "flat" and "rows_of_f32::flat<exp>". */
static void name_kernel(kernel_record *record, std::string text)
{
    text = text.substr(text.find("KERNEL = ") + sizeof "KERNEL = " - 1);
    text.pop_back();
    size_t start = 0, name_end = std::string::npos;
    for (size_t i = 0, depth = 0; i < text.size(); i++) {
        if (text[i] == '<' && depth++ == 0) {
            name_end = i;
        } else if (text[i] == '>') {
            depth--;
        } else if (text[i] == ':' && depth == 0) {
            start = i + 1;
        }
    }
    record->full_name = text;
    record->name = text.substr(start, std::min(name_end, text.size()) - start);
}

kernel_record *list_kernel(const void *address, const char *signature)
{
    kernel_record *&record = kernels()[address];
    if (!record) {
        record = new kernel_record();
        name_kernel(record, signature);
    }
    return record;
}
kernel_record *kernel_at(const void *address)
{
    auto found = kernels().find(address);
    return found == kernels().end() ? nullptr : found->second;
}
std::vector<kernel_record *> all_kernels()
{
    std::vector<kernel_record *> all;
    for (auto &entry : kernels()) {
        all.push_back(entry.second);
    }
    return all;
}

/* ---- shared variables ---- */

static const char SHARED_TAG[] = "[abi:gr_shared]";
typedef std::vector<shared_variable> shared_list;

/* The tag ends the name; names of what is local to such a variable may hold it too. */
static bool is_shared_variable(const char *name)
{
    if (!strstr(name, "B9gr_shared")) {
        return false;
    }
    int status = 0;
    char *text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
    size_t length = text ? strlen(text) : 0, tag = sizeof SHARED_TAG - 1;
    bool is = status == 0 && length > tag && strcmp(text + length - tag, SHARED_TAG) == 0;
    free(text);
    return is;
}

static void read_symbols(shared_list *shared, const char *file, size_t bytes, char *base)
{
    auto *header = (const ElfW(Ehdr) *)(const void *)file;
    auto *section = (const ElfW(Shdr) *)(const void *)(file + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB || section[i].sh_offset + section[i].sh_size > bytes) {
            continue;
        }
        auto *symbol = (const ElfW(Sym) *)(const void *)(file + section[i].sh_offset);
        const char *names = file + section[section[i].sh_link].sh_offset;
        for (size_t k = 0; k < section[i].sh_size / sizeof *symbol; k++) {
            bool is_variable = symbol[k].st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol[k].st_info) == STT_OBJECT;
            if (is_variable && is_shared_variable(names + symbol[k].st_name)) {
                shared->push_back({(unsigned char *)base + symbol[k].st_value, symbol[k].st_size});
            }
        }
    }
}

struct module_file {
    std::string path;
    char *base;
};
static int find_module(dl_phdr_info *info, size_t, void *data)
{
    auto here = (ElfW(Addr))(const void *)&find_module;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &part = info->dlpi_phdr[i];
        ElfW(Addr) start = info->dlpi_addr + part.p_vaddr;
        if (part.p_type == PT_LOAD && here >= start && here < start + part.p_memsz) {
            bool program = !info->dlpi_name || !*info->dlpi_name;
            *(module_file *)data = {program ? "/proc/self/exe" : info->dlpi_name, (char *)info->dlpi_addr};
            return 1;
        }
    }
    return 0;
}

static shared_list read_shared()
{
    shared_list shared;
    module_file module = {};
    dl_iterate_phdr(find_module, &module);
    int fd = open(module.path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    if (fd >= 0 && fstat(fd, &info) == 0) {
        auto bytes = (size_t)info.st_size;
        void *file = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            read_symbols(&shared, (const char *)file, bytes, module.base);
            munmap(file, bytes);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    for (const shared_variable &v : shared) {
        memset(v.start, UNSET, v.bytes);
    }
    return shared;
}
const std::vector<shared_variable> &shared_variables()
{
    static shared_list &all = *new shared_list(read_shared());
    return all;
}
/* At the start, while a relative path of the module is still right. */
__attribute__((constructor)) static void read_at_start()
{
    shared_variables();
}

} // namespace emulator
