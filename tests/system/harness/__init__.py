"""What the system tests are driven with: real processes, real servers, official clients. README.md beside this folder
lists it; the modules say the rest. Importing the package itself needs nothing but the standard library."""
