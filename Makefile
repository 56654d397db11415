# Everything a person does with this repository. `make help` lists it.
