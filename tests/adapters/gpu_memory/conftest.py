from tests.adapters.gpu_memory.emulated import cuda_folder, cuda_machine

__all__ = ["cuda_folder", "cuda_machine"]
