// Lets everything pass.
FromDevice(in) -> ToDevice(next);
